//! Actions on users, their rights and their tokens.

use serde::{Deserialize, Serialize};

use super::macros::actions;

/// In which realm: that of the tenant with this slug, or the platform's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InRealm(pub Option<String>);

actions! {
    User:
    /// On users. They are known by their e-mail addresses.
    UserAction {
        List(InRealm),
        Show(String, InRealm),
        /// Make one who is invited.
        CreateInvited(InRealm),
        Undelete(String, InRealm),
        Enable(String, InRealm),
        Unlock(String, InRealm),
        Invite(String, InRealm),
        ResetPassword(String, InRealm),
        RemoveFactor(String, InRealm),
        /// List somebody's sessions.
        Sessions(InRealm),
        /// Explain why a user may do something or not.
        Explain { user: String, permission: String, realm: InRealm },
    }
}

actions! {
    Rights:
    /// On roles, groups and permissions.
    RightsAction {
        ListRoles(InRealm),
        ShowRole(String, InRealm),
        /// Let a role allow something.
        Allow(String, InRealm),
        /// Let a role allow a pattern no more.
        Disallow { role: String, pattern: String, realm: InRealm },
        /// Give somebody a role.
        GrantRole(String, InRealm),
        ListGroups(InRealm),
        ShowGroup(String, InRealm),
        ShowGroupTree(InRealm),
        /// Move a group out of the one that it is in.
        MoveGroupToTop(String, InRealm),
        ListCustomFields(InRealm),
        /// `of_groups`: of groups, else of users.
        ShowCustomField { name: String, of_groups: bool, realm: InRealm },
        ListPermissions(InRealm),
        /// `None`: one that the reader chooses.
        RegisterPermission(Option<String>, InRealm),
    }
}

actions! {
    Token:
    /// On tokens, API keys and signing keys.
    TokenAction {
        /// Look at a token, and say what is wrong with it.
        Inspect,
        /// List the tokens of a user in a tenant's realm.
        ListOf(String),
        ListSigningKeys,
        /// Let the next signing key sign; `at_once`: whoever may not know it yet.
        RotateSigningKey { algorithm: Option<String>, at_once: bool },
        /// Let a signing key's tokens be good no more; `None`: one that the reader chooses.
        RetireSigningKey(Option<String>),
        ListApiKeys(InRealm),
        /// List those of a user.
        ListApiKeysOf(String, InRealm),
    }
}

#[cfg(test)]
impl super::macros::Sample for InRealm {
    fn sample(whole: bool) -> Self {
        Self(whole.then(|| "acme".to_owned()))
    }
}
