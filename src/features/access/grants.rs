//! What one user may do: roles held, directly and through groups, with their permissions; loaded
//! once, then decided without the database.

use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::condition::{Attributes, Condition};
use super::model::UserState;
use super::permission::Permission;
use crate::kernel::{Caller, UserId, suggest};

/// A permission of a role, perhaps under a condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    pub permission: Permission,
    /// When; `None`: always.
    pub condition: Option<Condition>,
}

impl Grant {
    /// Whether whoever holds this holds the other one, too. The same condition is not the same right
    /// where it looks at its holder: `facts` are those of this one's holder and, if that is known, of
    /// the other's.
    #[must_use]
    pub fn covers(&self, other: &Self, facts: (&Map<String, Value>, Option<&Map<String, Value>>)) -> bool {
        self.permission.covers(&other.permission)
            && match (&self.condition, &other.condition) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(mine), Some(theirs)) => mine.is_alike(theirs, facts),
            }
    }
}

/// A role that a user holds, and how it came by it.
#[derive(Debug, Clone)]
pub struct Held {
    pub role: String,
    /// The groups on the way to it: the user's own first, then what that is part of.
    pub groups: Vec<String>,
    pub grants: Arc<[Grant]>,
}

/// What one user may do.
#[derive(Debug, Clone)]
pub struct Grants {
    pub user: UserId,
    /// Only an active one may do anything.
    pub state: UserState,
    /// What conditions may look at: `id`, `email` and the profile.
    pub facts: Map<String, Value>,
    pub held: Vec<Held>,
    /// What a token takes from that: each list allows what one of its permissions covers.
    pub limits: Vec<Vec<Permission>>,
}

/// The answer, with its reason.
#[derive(Debug)]
pub enum Decision<'a> {
    /// By this permission of this role.
    Granted(&'a Held, &'a Grant),
    /// The user is not active.
    Inactive(UserState),
    /// This one would do, but its condition is not met.
    Unmet(&'a Held, &'a Grant),
    /// No role holds it.
    Missing,
    /// The token does not allow it, whatever its user holds.
    Limited,
}

impl Decision<'_> {
    /// Whether it may be done.
    #[must_use]
    pub fn is_granted(&self) -> bool {
        matches!(self, Self::Granted(..))
    }
}

impl Grants {
    /// Whether the user may do it to something with these attributes. No I/O and no allocation.
    #[must_use]
    pub fn can(&self, asked: &Permission, resource: &Map<String, Value>) -> Decision<'_> {
        if self.state != UserState::Active {
            return Decision::Inactive(self.state);
        }
        if !self.is_within_limits(asked) {
            return Decision::Limited;
        }
        let mut unmet = None;
        for held in &self.held {
            for grant in held.grants.iter().filter(|grant| grant.permission.covers(asked)) {
                let attributes = Attributes { user: &self.facts, resource };
                match &grant.condition {
                    Some(condition) if !condition.is_met(attributes) => {
                        unmet.get_or_insert((held, grant));
                    }
                    _ => return Decision::Granted(held, grant),
                }
            }
        }
        match unmet {
            Some((held, grant)) => Decision::Unmet(held, grant),
            None => Decision::Missing,
        }
    }

    /// Whether whatever `other` allows is allowed to this user, too; `facts` are those of its holder,
    /// where that is one user.
    #[must_use]
    pub fn covers(&self, other: &Grant, facts: Option<&Map<String, Value>>) -> bool {
        self.state == UserState::Active
            && self.is_within_limits(&other.permission)
            && self.all().any(|mine| mine.covers(other, (&self.facts, facts)))
    }

    /// The same, as far as the token allows it that the caller shows. What cannot be read allows nothing.
    #[must_use]
    pub(in crate::features) fn limited(mut self, caller: &Caller) -> Self {
        if let Caller::User { token, .. } = caller {
            let read = |list: &Arc<[String]>| list.iter().filter_map(|text| text.parse().ok()).collect();
            self.limits = token.lists.iter().map(read).collect();
        }
        self
    }

    fn is_within_limits(&self, asked: &Permission) -> bool {
        self.limits.iter().all(|list| list.iter().any(|allowed| allowed.covers(asked)))
    }

    /// Everything that is granted.
    pub fn all(&self) -> impl Iterator<Item = &Grant> {
        self.held.iter().flat_map(|held| held.grants.iter())
    }

    /// The permission that is held and comes nearest to one that is not; looked for only where a
    /// person asks why.
    #[must_use]
    pub fn nearest(&self, asked: &Permission) -> Option<(&Held, &Grant)> {
        let all = || self.held.iter().flat_map(|held| held.grants.iter().map(move |grant| (held, grant)));
        let alike = all().filter(|(_, grant)| {
            grant.permission.resource() == asked.resource() || grant.permission.action() == asked.action()
        });
        let name = suggest::nearest(asked.as_str(), alike.map(|(_, grant)| grant.permission.as_str()))?;
        all().find(|(_, grant)| grant.permission.as_str() == name)
    }
}

/// The answer to `user can`, as doors show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct DecisionView {
    pub user: String,
    #[schema(value_type = String)]
    pub permission: Permission,
    /// Whether it may be done.
    pub allowed: bool,
    /// One word: `granted`, `inactive`, `limited`, `condition`, `missing`.
    pub reason: &'static str,
    /// The way from the user to the permission, or to the nearest miss.
    pub path: Vec<String>,
    /// The condition that the permission has, if it has one.
    pub condition: Option<String>,
    /// Roles of the realm that hold it, when the user has none of them.
    pub roles: Vec<String>,
}

/// A role that a user holds, as doors show it.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct HeldView {
    pub role: String,
    /// The groups on the way to it, the user's own first; none: it was granted to the user.
    pub groups: Vec<String>,
    /// What it allows, with conditions behind `when`.
    pub permissions: Vec<String>,
}

impl HeldView {
    /// Of a role that a user holds.
    #[must_use]
    pub fn new(held: &Held) -> Self {
        let text = |grant: &Grant| match &grant.condition {
            Some(condition) => format!("{} when {condition}", grant.permission),
            None => grant.permission.to_string(),
        };
        let permissions = held.grants.iter().map(text).collect();
        Self { role: held.role.clone(), groups: held.groups.clone(), permissions }
    }
}

impl DecisionView {
    /// Of a decision.
    #[must_use]
    pub fn new(
        user: &str,
        asked: &Permission,
        decision: &Decision<'_>,
        nearest: Option<(&Held, &Grant)>,
        roles: Vec<String>,
    ) -> Self {
        let way = |held: &Held, grant: &Grant| -> Vec<String> {
            let groups = held.groups.iter().map(|group| format!("group {group}"));
            std::iter::once(format!("user {user}"))
                .chain(groups)
                .chain([format!("role {}", held.role), format!("permission {}", grant.permission)])
                .collect()
        };
        let condition = |grant: &Grant| grant.condition.as_ref().map(ToString::to_string);
        let (reason, path, condition) = match decision {
            Decision::Granted(held, grant) => ("granted", way(held, grant), condition(grant)),
            Decision::Unmet(held, grant) => ("condition", way(held, grant), condition(grant)),
            Decision::Inactive(state) => {
                ("inactive", vec![format!("user {user} is {}", state.as_str())], None)
            }
            Decision::Limited => ("limited", vec!["the token does not allow it".to_owned()], None),
            Decision::Missing => match nearest {
                Some((held, grant)) => ("missing", way(held, grant), condition(grant)),
                None => ("missing", Vec::new(), None),
            },
        };
        Self {
            user: user.to_owned(),
            permission: asked.clone(),
            allowed: decision.is_granted(),
            reason,
            path,
            condition,
            roles,
        }
    }
}
