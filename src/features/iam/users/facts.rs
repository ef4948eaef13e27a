//! What conditions look at is as good as a grant: nobody changes it for more than they hold themselves.

use std::collections::BTreeSet;

use super::super::error::IamError;
use super::super::model::User;
use super::super::realm::RealmTx;
use crate::features::access;
use crate::features::access::Grant;

/// Requires that the caller may change these facts of a user. Where a condition looks at one, the
/// caller must hold without a condition what it guards: for their own facts in every role of the
/// realm, for somebody else's in the roles that the user has.
pub(super) async fn check(
    work: &mut RealmTx<'_>,
    user: &User,
    changed: &BTreeSet<&str>,
) -> Result<(), IamError> {
    if changed.is_empty() || work.actor.is_machine() {
        return Ok(());
    }
    let guarded: Vec<Grant> = if work.actor.is(user.id) {
        access::conditional_grants(&mut work.tx).await?
    } else {
        let grants = access::grants_of_user(&mut work.tx, user.id).await?;
        grants.map(|grants| grants.all().cloned().collect()).unwrap_or_default()
    };
    for grant in guarded {
        let Some(condition) = &grant.condition else { continue };
        let Some(fact) = condition.facts().into_iter().find(|fact| changed.contains(fact.as_str())) else {
            continue;
        };
        let bare = Grant { permission: grant.permission.clone(), condition: None };
        work.actor.require_cover(|| format!("whoever sets {fact} of {}", user.email), [&bare], None)?;
    }
    Ok(())
}
