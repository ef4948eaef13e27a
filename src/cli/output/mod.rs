//! All that is written: data on standard output, talk on standard error.
//!
//! The only folder outside `main.rs` that writes to either. Knows formats, terminals, colour and
//! width; knows no feature.
//!
//! Start reading at [`Screen`].

pub mod console;
pub mod env_file;
pub mod escape;
mod installation;
pub mod list;
mod mask;
mod pager;
pub mod progress;
mod report;
pub mod row;
pub mod screen;
pub mod thing;

pub use env_file::{EnvFormat, NotDotenv, render as render_env};
pub use list::ListWriter;
pub use row::{Cell, Column, Row, Thing, time_text};
pub(in crate::cli) use row::{row, thing};
pub use screen::{Format, OutputError, Screen};
