//! Who asks, and whether they may: a machine with the platform's credentials may do everything, a
//! user what its realm grants, an operator in a tenant's realm what was granted there for a time.
//!
//! Nobody gives, takes or touches what they do not hold themselves.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::error::IamError;
use crate::features::access::{
    self, AccessError, Grant, Grants, GrantsCache, Permission, UserState, grants_of_user,
};
use crate::infra::db::{LazyLease, PgConnection};
use crate::kernel::{Caller, RealmRef, TenantId, UserId};

/// Who asks.
#[derive(Debug)]
pub(super) enum Actor {
    /// May do everything.
    Machine,
    /// May do what was granted.
    User {
        grants: Arc<Grants>,
        /// An operator in a tenant's realm.
        visitor: bool,
        /// What was asked for so far.
        asked: BTreeSet<Cow<'static, str>>,
    },
}

impl Actor {
    /// Looks up what the caller may do here. Somebody of another realm, somebody who is not active,
    /// an operator whose time is over: may do nothing.
    pub(super) async fn load(
        realm: &mut PgConnection,
        control: Option<&mut LazyLease>,
        (place, known): (&RealmRef, Option<(i64, &GrantsCache)>),
        caller: &Caller,
    ) -> Result<Self, IamError> {
        let (home, id, visits) = match caller {
            Caller::Machine(_) | Caller::System => return Ok(Self::Machine),
            Caller::User { realm, id, token } => (*realm, *id, token.visits),
        };
        let visitor = home != place.id;
        let is_elsewhere = visits.is_some_and(|tenant| tenant != place.id);
        if !visitor
            && !is_elsewhere
            && let Some((version, cache)) = known
            && let Some(grants) = cache.get((home, id), version)
        {
            return Ok(Self::user(limited(grants, caller), visitor));
        }
        let grants = if is_elsewhere {
            None
        } else if !visitor {
            grants_of_user(realm, id).await?
        } else if let (TenantId::PLATFORM, Some(control)) = (home, control) {
            let active = access::state(control.get().await?, id).await? == Some(UserState::Active);
            if active { Some(access::grants_of_operator(realm, id, place.id).await?) } else { None }
        } else {
            None
        }
        .map(Arc::new);
        if let (false, Some((version, cache)), Some(grants)) = (visitor, known, &grants) {
            cache.keep((home, id), version, grants);
        }
        let nobody = || Grants {
            user: id,
            state: UserState::Disabled,
            facts: Map::new(),
            held: Vec::new(),
            limits: Vec::new(),
        };
        let grants = grants.unwrap_or_else(|| Arc::new(nobody()));
        Ok(Self::user(limited(grants, caller), visitor))
    }

    fn user(grants: Arc<Grants>, visitor: bool) -> Self {
        Self::User { grants, visitor, asked: BTreeSet::new() }
    }

    /// Whether it is an operator in a tenant's realm.
    pub(super) fn is_visitor(&self) -> bool {
        matches!(self, Self::User { visitor: true, .. })
    }

    /// What was asked for so far.
    pub(super) fn asked(&self) -> Vec<&str> {
        match self {
            Self::Machine => Vec::new(),
            Self::User { asked, .. } => asked.iter().map(AsRef::as_ref).collect(),
        }
    }

    /// Requires a permission on something with these attributes.
    pub(super) fn require(
        &mut self,
        caller: &Caller,
        permission: &'static str,
        resource: &Map<String, Value>,
    ) -> Result<(), IamError> {
        let Self::User { grants, asked, .. } = self else { return Ok(()) };
        asked.insert(Cow::Borrowed(permission));
        if permission.parse().is_ok_and(|permission| grants.can(&permission, resource).is_granted()) {
            return Ok(());
        }
        Err(AccessError::missing(caller, permission).into())
    }

    /// Whether the caller has a permission, whatever it is about.
    pub(super) fn may(&mut self, permission: &Permission) -> bool {
        let Self::User { grants, asked, .. } = self else { return true };
        asked.insert(Cow::Owned(permission.to_string()));
        grants.can(permission, &Map::new()).is_granted()
    }

    /// Requires that the caller itself holds all that something holds; `facts` are those of the user
    /// who holds it, where it is one.
    pub(super) fn require_cover<'g>(
        &self,
        what: impl FnOnce() -> String,
        held: impl IntoIterator<Item = &'g Grant>,
        facts: Option<&Map<String, Value>>,
    ) -> Result<(), IamError> {
        let Self::User { grants, .. } = self else { return Ok(()) };
        match held.into_iter().find(|grant| !grants.covers(grant, facts)) {
            None => Ok(()),
            Some(grant) => {
                Err(AccessError::Above { what: what(), permission: grant.permission.to_string() }.into())
            }
        }
    }

    /// Whether it may do everything, as the command line's owner may.
    pub(super) fn is_machine(&self) -> bool {
        matches!(self, Self::Machine)
    }

    /// Whether this is the user itself, by a token that allows all that it holds: one that allows less does
    /// not stand for its user.
    pub(super) fn is(&self, user: UserId) -> bool {
        matches!(self, Self::User { grants, .. } if grants.limits.is_empty()) && self.is_token_of(user)
    }

    /// Whether this is the user itself, whatever its token allows.
    pub(super) fn is_token_of(&self, user: UserId) -> bool {
        matches!(self, Self::User { grants, visitor: false, .. } if grants.user == user)
    }
}

/// What a user may do, as far as the token allows it that the caller shows.
fn limited(grants: Arc<Grants>, caller: &Caller) -> Arc<Grants> {
    match caller {
        Caller::User { token, .. } if !token.lists.is_empty() => {
            Arc::new(Arc::unwrap_or_clone(grants).limited(caller))
        }
        _ => grants,
    }
}
