//! What tests stand on.

pub mod garage;
pub mod machine;
pub mod private;
pub mod proxy;
pub mod stack;
pub mod world;
