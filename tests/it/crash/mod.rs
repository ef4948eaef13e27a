//! What is promised of a command that dies, races, or meets what is not ours.

mod fenced;
pub mod foreign;
mod leaks;
pub mod points;
mod races;
mod random;
mod rollback;
pub mod settled;
