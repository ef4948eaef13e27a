//! The SQL of addresses that get no mail, in a realm, whose owner may have written what no check of ours would take.

use sqlx::{AssertSqlSafe, Postgres, QueryBuilder};
use uuid::Uuid;

use super::{NewSuppression, Suppression, SuppressionFilter, SuppressionReason, SuppressionRef};
use crate::infra::db::{DbError, PgConnection, has_table};
use crate::kernel::{Page, Reason};

/// The columns of [`Suppression`].
const COLUMNS: &str = "id, left(address, 254) as address, scope, reason, left(note, 500) as note,
    left(created_by, 200) as created_by,
    case when created_at between '1970-01-01' and '9999-01-01' then created_at else now() end as created_at";

/// Whether the realm has a place for them: one of an older version has none.
pub(super) async fn is_there(realm: &mut PgConnection) -> Result<bool, DbError> {
    has_table(realm, "nexus.suppressions").await
}

/// Those that a list holds, the latest first: one more than a page has, where there are more.
pub(super) async fn list(
    realm: &mut PgConnection,
    filter: &SuppressionFilter,
    page: Page,
) -> Result<Vec<Suppression>, DbError> {
    let mut query =
        QueryBuilder::<Postgres>::new(format!("select {COLUMNS} from nexus.suppressions where true"));
    if let Some(address) = &filter.address {
        query.push(" and address_key = ").push_bind(address.key());
    }
    if let Some(before) = filter.before {
        query.push(" and id < ").push_bind(before);
    }
    query
        .push(" order by id desc limit ")
        .push_bind(page.fetched())
        .push(" offset ")
        .push_bind(page.offset());
    Ok(query.build_query_as().persistent(false).fetch_all(realm).await?)
}

/// Writes one, where the address has none of that scope; the one that there is then, and whether it is new.
pub(super) async fn add(
    realm: &mut PgConnection,
    new: &NewSuppression,
    by: &str,
) -> Result<(Suppression, bool), DbError> {
    let (key, scope) = (new.address.key(), new.scope.unwrap_or(new.reason.scope()));
    let made = sqlx::query_as(AssertSqlSafe(format!(
        "insert into nexus.suppressions (id, address, address_key, scope, reason, note, created_by)
         values ($1, $2, $3, $4, $5, $6, left($7, 200)) on conflict (address_key, scope) do nothing
         returning {COLUMNS}"
    )))
    .bind(Uuid::now_v7())
    .bind(new.address.as_str())
    .bind(&key)
    .bind(scope)
    .bind(new.reason)
    .bind(new.note.as_ref().map(Reason::as_str))
    .bind(by)
    .fetch_optional(&mut *realm)
    .await?;
    if let Some(made) = made {
        return Ok((made, true));
    }
    let known = sqlx::query_as(AssertSqlSafe(format!(
        "select {COLUMNS} from nexus.suppressions where address_key = $1 and scope = $2"
    )))
    .bind(&key)
    .bind(scope)
    .fetch_one(realm)
    .await?;
    Ok((known, false))
}

/// Deletes some, and gives them.
pub(super) async fn remove(
    realm: &mut PgConnection,
    which: &SuppressionRef,
) -> Result<Vec<Suppression>, DbError> {
    let (id, key) = match which {
        SuppressionRef::Id(id) => (Some(*id), None),
        SuppressionRef::Address(address) => (None, Some(address.key())),
    };
    Ok(sqlx::query_as(AssertSqlSafe(format!(
        "delete from nexus.suppressions where id = $1 or address_key = $2 returning {COLUMNS}"
    )))
    .persistent(false)
    .bind(id)
    .bind(key)
    .fetch_all(realm)
    .await?)
}

/// Why an address, as it is compared, gets no such message: what stops all before what stops a part.
pub(super) async fn stopping(
    realm: &mut PgConnection,
    key: &str,
    is_bulk: bool,
) -> Result<Option<SuppressionReason>, DbError> {
    Ok(sqlx::query_scalar(
        "select reason from nexus.suppressions where address_key = $1 and (scope = 'all' or $2)
         order by scope limit 1",
    )
    .bind(key)
    .bind(is_bulk)
    .fetch_optional(realm)
    .await?)
}
