//! What is promised of a command that dies, races, or meets what is not ours.

mod points;
mod rollback;
mod settled;
