//! Connections to PostgreSQL: addresses, transactions, locks, migrations, quoting, and what its
//! errors mean. Knows no table of a feature.

mod address;
mod error;
mod lock;
mod migrator;
mod quote;
mod slots;
mod transaction;
mod url;

pub use address::{Host, ServerAddress, Tls};
pub use error::DbError;
pub use lock::{AdvisoryLock, LockKey};
pub use migrator::{CONTROL, MigrationSet, REALM};
pub use quote::{identifier, literal};
pub use slots::Slots;
pub use transaction::{durable_transaction, snapshot, transaction};
pub use url::UrlError;
