//! Connections to PostgreSQL: addresses, transactions, locks, migrations, quoting, and what its
//! errors mean. Knows no table of a feature.

mod address;
mod apart;
mod budget;
mod comments;
mod connection;
mod error;
mod feed;
mod filter;
mod has_table;
mod histories;
mod history;
mod history_rows;
mod horizon;
mod lexer;
mod liveness;
mod lock;
mod look;
mod migrator;
mod notices;
mod pinned;
mod pool;
mod quote;
mod rate_limit;
mod slots;
mod statements;
mod states;
mod summary;
mod text;
mod transaction;
mod unchanged;
mod url;
pub mod wakeup;

pub use address::{Host, ServerAddress, Tls};
pub use apart::{invalid_indexes, repeatable};
pub use budget::{Budgets, Place};
pub use comments::{comments, leading_comments};
pub use connection::PgConnection;
pub use error::{DbError, Said};
pub use feed::{Feed, Follower};
pub use filter::{Log, like_literal, pattern_of_part, push_condition, push_span};
pub use has_table::has_table;
pub use histories::{HistoryState, Who, histories, is_no_history, make_missing, who, who_and_histories};
pub use history::{History, Script, ScriptError};
pub use history_rows::{Applied, HistoryFault, HistoryRows};
pub use horizon::{Horizon, News};
pub use lock::{AdvisoryLock, Found, LockKey, is_held};
pub use migrator::{CONTROL, MigrationSet, REALM};
pub use notices::{NOTICES, Notice, NoticeLayer, Notices, hearing};
pub use pool::{AnyLease, LazyLease, Lease, LeaseSource, PoolKey, PoolLimits, PoolStats, SessionPool};
pub use quote::{bytes, identifier, literal};
pub use rate_limit::{RateCount, SharedRateLimit, forget_counts};
pub use slots::Slots;
pub use statements::{FlawKind, ScriptFlaw, Statement, code, first_flaw, has_statement, statements};
pub(crate) use text::stored_as_text;
pub use transaction::{
    Transaction, autocommit, durable_transaction, durably, in_one_batch, relaxed_transaction, snapshot,
    transaction, transaction_as,
};
pub use unchanged::{refusal, require_unchanged, standing};
pub use url::UrlError;
