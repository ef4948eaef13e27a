//! Who asks. Every service call takes a caller first, and the audit log names it.

use std::fmt;

use super::{Email, TenantId, UserId};

/// Who asks for a change or a reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    /// A person or script at the command line, who holds the platform's credentials: the name of
    /// the account on the machine. May do everything.
    Machine(String),
    /// Nexus itself, e.g. a repair that nobody asked for.
    System,
    /// Somebody who has signed in, and may do what the realm grants.
    User {
        /// The tenant whose realm it is a user of; [`TenantId::PLATFORM`] for an operator.
        realm: TenantId,
        id: UserId,
        /// Its address, for messages; not written to logs, which outlive it.
        email: Email,
    },
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(account) => write!(f, "machine:{account}"),
            Self::System => f.write_str("system"),
            Self::User { realm, id, .. } if *realm == TenantId::PLATFORM => write!(f, "operator:{id}"),
            Self::User { id, .. } => write!(f, "user:{id}"),
        }
    }
}
