//! Who asks. Every service call takes a caller first, and the audit log names it.

use std::fmt;
use std::sync::Arc;

use super::{TenantId, UserId};

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
        /// What the token that it shows takes from that.
        token: TokenLimits,
    },
}

/// What a token says of whoever shows it, beside who that is. By default nothing: no token was shown, or
/// one that allows all that its user holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenLimits {
    /// Each list names permissions, and the token allows what each of them covers.
    pub lists: Vec<Arc<[String]>>,
    /// Who acts in the user's name.
    pub actor: Option<String>,
    /// The tenant in whose realm alone an operator's token is good.
    pub visits: Option<TenantId>,
}

impl Caller {
    /// Whether it is an operator by a token of the platform's own, in whose name nobody else acts.
    #[must_use]
    pub fn is_operator_in_person(&self) -> bool {
        matches!(self, Self::User { realm, token, .. }
            if *realm == TenantId::PLATFORM && token.actor.is_none() && token.visits.is_none())
    }

    /// A user, with all that it holds.
    #[must_use]
    pub fn user(realm: TenantId, id: UserId) -> Self {
        Self::User { realm, id, token: TokenLimits::default() }
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine(account) => write!(f, "machine:{account}"),
            Self::System => f.write_str("system"),
            Self::User { realm, id, token } => {
                let kind = if *realm == TenantId::PLATFORM { "operator" } else { "user" };
                match &token.actor {
                    Some(actor) => write!(f, "{actor} as {kind}:{id}"),
                    None => write!(f, "{kind}:{id}"),
                }
            }
        }
    }
}
