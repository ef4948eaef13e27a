//! What runs beside the API in the same process: the worker of operations. No rule, no SQL, no door.
//!
//! Start reading at [`operations`].

pub mod operations;
