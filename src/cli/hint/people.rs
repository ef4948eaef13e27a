//! Actions on users, their rights and their tokens.

use super::line::Line;
use crate::kernel::hint::{RightsAction, TokenAction, UserAction};

pub(super) fn user(action: &UserAction) -> Line {
    match action {
        UserAction::List(realm) => Line::new("user list").realm(realm),
        UserAction::Show(user, realm) => Line::new("user show").arg(user).realm(realm),
        UserAction::CreateInvited(realm) => Line::new("user create --email E-MAIL --mail").realm(realm),
        UserAction::Undelete(user, realm) => Line::new("user undelete").arg(user).realm(realm),
        UserAction::Enable(user, realm) => Line::new("user enable").arg(user).realm(realm),
        UserAction::Unlock(user, realm) => Line::new("user unlock").arg(user).realm(realm),
        UserAction::Invite(user, realm) => Line::new("user invite").arg(user).and("--mail").realm(realm),
        UserAction::ResetPassword(user, realm) => {
            Line::new("user password reset").arg(user).and("--mail").realm(realm)
        }
        UserAction::RemoveFactor(user, realm) => Line::new("user factor remove").arg(user).realm(realm),
        UserAction::Sessions(realm) => Line::new("user sessions list E-MAIL").realm(realm),
        UserAction::Explain { user, permission, realm } => {
            Line::new("user can").arg(user).arg(permission).and("--explain").realm(realm)
        }
    }
}

pub(super) fn rights(action: &RightsAction) -> Line {
    match action {
        RightsAction::ListRoles(realm) => Line::new("role list").realm(realm),
        RightsAction::ShowRole(name, realm) => Line::new("role show").arg(name).realm(realm),
        RightsAction::Allow(role, realm) => {
            Line::new("role allow").arg(role).and("RESOURCE:ACTION").realm(realm)
        }
        RightsAction::Disallow { role, pattern, realm } => {
            Line::new("role disallow").arg(role).arg(pattern).realm(realm)
        }
        RightsAction::GrantRole(role, realm) => {
            Line::new("role grant").arg(role).and("--user E-MAIL").realm(realm)
        }
        RightsAction::ListGroups(realm) => Line::new("group list").realm(realm),
        RightsAction::ShowGroup(name, realm) => Line::new("group show").arg(name).realm(realm),
        RightsAction::ShowGroupTree(realm) => Line::new("group tree").realm(realm),
        RightsAction::MoveGroupToTop(name, realm) => {
            Line::new("group move").arg(name).and("--to-top").realm(realm)
        }
        RightsAction::ListCustomFields(realm) => Line::new("custom-field list").realm(realm),
        RightsAction::ShowCustomField { name, of_groups, realm } => {
            let of = if *of_groups { "--of groups" } else { "--of users" };
            Line::new("custom-field show").arg(name).and(of).realm(realm)
        }
        RightsAction::ListPermissions(realm) => Line::new("permission list").realm(realm),
        RightsAction::RegisterPermission(name, realm) => Line::new("permission register")
            .arg_or(name.as_ref(), "RESOURCE:ACTION")
            .realm(realm)
            .and("--description TEXT"),
    }
}

pub(super) fn token(action: &TokenAction) -> Line {
    match action {
        TokenAction::Inspect => Line::new("token inspect --check --file FILE"),
        TokenAction::ListOf(user) => Line::new("token list --tenant SLUG --user").arg(user),
        TokenAction::ListSigningKeys => Line::new("key list"),
        TokenAction::RotateSigningKey { algorithm, at_once } => {
            let line = Line::new("key rotate");
            let line = match algorithm {
                Some(algorithm) => line.and("--algorithm").arg(algorithm),
                None => line,
            };
            if *at_once { line.and("--now") } else { line }
        }
        TokenAction::RetireSigningKey(kid) => {
            Line::new("key retire").arg_or(kid.as_ref(), "KID").and("--now")
        }
        TokenAction::ListApiKeys(realm) => Line::new("api-key list").realm(realm),
        TokenAction::ListApiKeysOf(user, realm) => Line::new("api-key list --user").arg(user).realm(realm),
    }
}
