//! The command line.

mod completion;
mod completion_words;
mod contexts;
mod errors;
mod generated;
mod help;
mod hostile;
mod late_secrets;
mod output;
mod own_files;
mod pasted_in_files;
mod prompts;
mod settings;
mod stopped;
mod trust;
mod urls;
