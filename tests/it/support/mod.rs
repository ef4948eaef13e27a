//! What tests stand on.

pub mod machine;
