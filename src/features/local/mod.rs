//! The local stack: a private PostgreSQL, an S3 endpoint and a mailbox for development, started for the
//! user and kept alive by one daemon.
//!
//! Knows: where the parts lie on the machine, which server binaries there are, as whom PostgreSQL
//! runs, how a part that died comes back. Knows nothing of tenants, and imports no other feature;
//! the S3 server itself comes in through [`ObjectEndpoint`].
//!
//! Start reading at `stack.rs` (what a caller asks for) and `daemon/mod.rs` (what keeps running).
//! Two locks carry all safety: `start.lock` is held by whoever starts, stops or deletes the stack,
//! `daemon.lock` by the daemon for as long as it lives. Both are `flock` locks, so the system
//! itself releases them at a kill or a power cut.

mod account;
pub mod daemon;
mod error;
mod folders;
mod layout;
mod lock;
mod logs;
mod mailbox;
mod postgres;
mod probe;
mod secrets;
mod stack;
mod start;
mod state;
mod status;
mod stop;
mod views;

pub use daemon::{ObjectEndpoint, ObjectSeat};
pub use error::LocalError;
pub use logs::LogSource;
pub use postgres::version::PgVersion;
pub use stack::{DaemonCommand, LocalStack, PostgresAddress, Running, S3Address};
pub use state::PartState;
pub use views::{
    DaemonView, MailTextView, MailView, MailboxView, PostgresView, S3View, StackState, StatusView,
};
