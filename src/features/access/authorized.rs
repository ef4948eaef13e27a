//! The proof that somebody was asked for, and has, a permission.

use std::fmt;
use std::ops::Deref;

use crate::kernel::{Caller, TenantId};

/// A caller that may do what it asked for. Only the check makes one, and whatever changes something
/// asks for one: a service function that forgets the check does not compile.
#[derive(Debug, Clone, Copy)]
pub struct Authorized<'a> {
    caller: &'a Caller,
    /// The tenant that it is for, where the permission was decided by what that is.
    only: Option<TenantId>,
}

impl<'a> Authorized<'a> {
    pub(super) fn new(caller: &'a Caller, only: Option<TenantId>) -> Self {
        Self { caller, only }
    }

    /// Of a caller whom `iam` has checked by the realm that is changed.
    pub(in crate::features) fn by_its_realm(caller: &'a Caller) -> Self {
        Self { caller, only: None }
    }

    /// Of Nexus itself, for what follows from what somebody may do, e.g. from presenting a token.
    pub(in crate::features) fn nexus() -> Authorized<'static> {
        Authorized { caller: &Caller::System, only: None }
    }

    /// Who asks.
    #[must_use]
    pub fn caller(&self) -> &'a Caller {
        self.caller
    }

    /// The one tenant that it is good for, where it was decided by what that is.
    #[must_use]
    pub fn only(&self) -> Option<TenantId> {
        self.only
    }

    /// Whether it is good for a tenant.
    #[must_use]
    pub fn is_for(&self, tenant: TenantId) -> bool {
        self.only.is_none_or(|only| only == tenant)
    }
}

/// What it may do besides is asked for again.
impl Deref for Authorized<'_> {
    type Target = Caller;

    fn deref(&self) -> &Caller {
        self.caller
    }
}

impl fmt::Display for Authorized<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.caller.fmt(f)
    }
}
