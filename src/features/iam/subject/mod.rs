//! A user of a realm as tokens name it: who it is, and what it may do.

mod store;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::users::store::emails_like;
use crate::features::access::Permission;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::suggest;

/// A user of a realm, with what its roles allow.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, sqlx::FromRow)]
pub struct Subject {
    pub id: Uuid,
    pub email: String,
    /// `invited`, `active`, `disabled`, `locked` or `deleted`.
    pub state: String,
    /// The names of its roles, sorted.
    pub roles: Vec<String>,
    /// What they allow, sorted, each once: `resource:action`, `*` for any.
    pub permissions: Vec<String>,
}

impl Subject {
    /// Whether it may sign in.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.state == "active"
    }

    /// Whether what it holds includes a permission.
    #[must_use]
    pub fn may(&self, wanted: &str) -> bool {
        self.permissions.iter().any(|held| includes(held, wanted))
    }
}

/// Whether a permission includes another, as [`Permission::covers`]; a text that is none includes
/// nothing, and is included in nothing.
#[must_use]
pub fn includes(held: &str, wanted: &str) -> bool {
    match (held.parse::<Permission>(), wanted.parse::<Permission>()) {
        (Ok(held), Ok(wanted)) => held.covers(&wanted),
        _ => false,
    }
}

/// The user of an e-mail address, compared without case.
pub(in crate::features) async fn subject(
    realm: &mut PgConnection,
    email: &str,
) -> Result<Option<Subject>, DbError> {
    store::by_email(realm, email).await
}

/// The user of an id.
pub(in crate::features) async fn subject_by_id(
    realm: &mut PgConnection,
    id: Uuid,
) -> Result<Option<Subject>, DbError> {
    store::by_id(realm, id).await
}

/// The first users of a realm that may sign in, by e-mail address.
pub(in crate::features) async fn active_subjects(
    realm: &mut PgConnection,
    limit: i64,
) -> Result<Vec<Subject>, DbError> {
    store::active(realm, limit).await
}

/// The e-mail address of a user of the realm that comes nearest to one that is not there.
pub(in crate::features) async fn nearest_email(
    realm: &mut PgConnection,
    email: &str,
) -> Result<Option<String>, DbError> {
    let near = emails_like(realm, email).await?;
    Ok(suggest::nearest_email(email, near.iter().map(String::as_str)).map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::includes;

    #[test]
    fn a_star_stands_for_one_part() {
        for (held, wanted) in [
            ("*:*", "invoice:read"),
            ("*:read", "invoice:read"),
            ("invoice:*", "invoice:read"),
            ("invoice:*", "invoice:*"),
        ] {
            assert!(includes(held, wanted), "{held} {wanted}");
        }
        for (held, wanted) in [
            ("*:read", "invoice:*"),
            ("invoice:read", "*:read"),
            ("invoice:read", "invoice:readall"),
            ("*", "invoice:read"),
            ("*:read", "user:read"),
            ("*:*", "invoice"),
            ("", ""),
        ] {
            assert!(!includes(held, wanted), "{held} {wanted}");
        }
    }
}
