//! Ids of rows: UUIDv7 (RFC 9562, section 5.7), so that they sort by the time they were made.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Whether the turn to forget old rows falls on an id with random last bits, as on one of 128: what may be done at any
/// time is not done each time.
#[must_use]
pub fn is_turn_to_forget(id: Uuid) -> bool {
    id.as_bytes()[15].trailing_zeros() >= 7
}

/// A text that is no id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an id is a UUID, e.g. 01a231f7-fccb-7299-bf03-de3bac924f07")]
pub struct NotAnId;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
        #[serde(transparent)]
        #[sqlx(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new id, later than all made before it by this process.
            #[must_use]
            #[expect(clippy::new_without_default, reason = "each call gives another value")]
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }

            /// The bare UUID.
            #[must_use]
            pub fn uuid(self) -> Uuid {
                self.0
            }
        }

        impl From<Uuid> for $name {
            fn from(id: Uuid) -> Self {
                Self(id)
            }
        }

        impl FromStr for $name {
            type Err = NotAnId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self).map_err(|_| NotAnId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// A tenant: one customer. Stays when the slug changes.
    TenantId
);
impl TenantId {
    /// Stands for the platform itself where something is kept for each tenant: the nil UUID (RFC
    /// 9562, section 5.9), which no tenant ever has.
    pub const PLATFORM: Self = Self(Uuid::nil());
}
id!(
    /// An operation: one recorded, resumable change of a tenant.
    OperationId
);
id!(
    /// A batch: the changes of several tenants that one command asked for.
    BatchId
);
id!(
    /// A data key: seals the secrets of one tenant.
    DataKeyId
);
id!(
    /// A user of a realm. Stays when the e-mail address changes.
    UserId
);
id!(
    /// A run: one migration of many tenants.
    RunId
);
id!(
    /// A runner: one process that is at work on a run.
    RunnerId
);
id!(
    /// A background job.
    JobId
);
id!(
    /// A webhook of a tenant.
    WebhookId
);
