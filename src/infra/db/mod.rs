//! Connections to PostgreSQL: addresses, transactions, locks, migrations, quoting, and what its
//! errors mean. Knows no table of a feature.

mod address;
mod apart;
mod error;
mod histories;
mod history;
mod lock;
mod migrator;
mod notices;
mod quote;
mod slots;
mod statements;
mod text;
mod transaction;
mod url;

pub use address::{Host, ServerAddress, Tls};
pub use apart::{invalid_indexes, repeatable};
pub use error::DbError;
pub use histories::{Who, make_missing, who, who_and_histories};
pub use history::{Applied, History, Script, ScriptError};
pub use lock::{AdvisoryLock, LockKey};
pub use migrator::{CONTROL, MigrationSet, REALM};
pub use notices::{NOTICES, Notice, NoticeLayer, Notices, hearing};
pub use quote::{identifier, literal};
pub use slots::Slots;
pub use statements::{Statement, statements};
pub(crate) use text::stored_as_text;
pub use transaction::{durable_transaction, snapshot, transaction};
pub use url::UrlError;
