//! What tests stand on.

pub mod api;
pub mod collector;
pub mod dice;
pub mod garage;
pub mod golden;
pub mod hold;
pub mod libpq;
pub mod lock_holder;
pub mod machine;
pub mod moto;
pub mod nats;
pub mod pg_proxy;
pub mod private;
pub mod proxy;
pub mod sql;
pub mod stack;
pub mod tenant;
pub mod worker;
pub mod world;
