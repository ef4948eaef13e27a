//! The command line.

mod contexts;
mod errors;
mod generated;
mod help;
mod output;
mod prompts;
mod settings;
