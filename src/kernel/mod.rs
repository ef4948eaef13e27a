//! Pure words: ids, names, errors, findings, secrets, pages, progress. No I/O, no async.
//!
//! Imports nothing of ours; every other room may import it.
//! Start reading at [`error`] and [`slug`].

pub mod brief;
pub mod calendar;
pub mod caller;
pub mod child;
pub mod cron;
pub mod email;
pub mod error;
pub mod filter;
pub mod finding;
pub mod hint;
pub mod ids;
pub mod label;
pub mod line;
pub mod mail_address;
pub mod page;
pub mod progress;
pub mod realm;
pub mod report;
pub mod resource_name;
pub mod secret_shape;
pub mod shell;
pub mod slug;
pub mod span;
pub mod suggest;
pub mod text;
pub mod version;
pub mod word;

pub use calendar::{OutOfCalendar, Zone, ZoneError};
pub use caller::{Caller, TokenLimits};
pub use cron::{Cron, CronError};
pub use email::Email;
pub use error::{AnyFailure, ErrorKind, Failure};
#[cfg(test)]
pub(crate) use error::{ErrorCode, ErrorCodes};
pub use finding::{Finding, Location, Severity, Subject};
pub use hint::Hint;
pub use ids::{BatchId, JobId, OperationId, TenantId, UserId, WebhookId};
pub use label::Labels;
pub use line::{Description, DisplayName, PlaceName, Reason};
pub use mail_address::MailAddress;
pub use page::{Page, Pagination, Total};
pub use progress::{Event, Progress};
pub use realm::RealmRef;
pub use report::{Report, Verdict};
pub use resource_name::ResourceName;
pub use secrecy::{ExposeSecret, SecretSlice, SecretString};
pub use slug::Slug;
pub use version::{Expected, Stale, Version};
pub use word::Word;
