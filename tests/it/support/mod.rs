//! What tests stand on.

pub mod machine;
pub mod stack;
pub mod world;
