//! Erasing users whose retention is over.

use serde::Serialize;
use serde_json::{Map, json};

use super::super::error::IamError;
use super::super::realm::Realm;
use super::super::signin;
use super::store;
use crate::kernel::{Caller, UserId};

/// Users erased in one transaction.
const AT_ONCE: i64 = 500;

/// A user that was erased, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Purged {
    /// Its id, which stays.
    pub id: UserId,
    pub email: String,
    /// `erased` or `planned`.
    pub outcome: &'static str,
}

/// Erases what is personal of users that were deleted longer ago than the retention. Their ids and
/// the log stay. May be repeated after a crash.
///
/// # Errors
/// Without `user:delete`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn purge(realm: &mut Realm, caller: &Caller) -> Result<Vec<Purged>, IamError> {
    let result: Result<Vec<Purged>, IamError> = async {
        let retention = realm.rules().retention.as_secs_f64();
        let dry_run = realm.is_dry_run();
        let mut purged = Vec::new();
        loop {
            let mut work = realm.write(caller).await?;
            work.actor.require(caller, "user:delete", &Map::new())?;
            let limit = if dry_run { i64::MAX } else { AT_ONCE };
            let due = store::due(&mut work.tx, retention, limit).await?;
            if due.is_empty() {
                work.commit().await?;
                return Ok(purged);
            }
            let ids: Vec<uuid::Uuid> = due.iter().map(|user| user.id.uuid()).collect();
            for user in due.iter().filter(|user| user.second_factor) {
                signin::forget_factor(&mut work, user.id).await?;
            }
            store::erase(&mut work.tx, &ids).await?;
            for user in due {
                work.note("user.erase", Some(user.id), json!({}));
                let outcome = if dry_run { "planned" } else { "erased" };
                purged.push(Purged { id: user.id, email: user.email, outcome });
            }
            work.commit().await?;
            if dry_run {
                return Ok(purged);
            }
        }
    }
    .await;
    realm.rollback_on_error(result).await
}
