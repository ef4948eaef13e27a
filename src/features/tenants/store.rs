//! The SQL of tenants' rows.

use serde_json::{Value, json};
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, QueryBuilder, Row as _};
use time::OffsetDateTime;

use super::model::{Adoption, Facts, NewTenant, Resources, Tenant, TenantState};
use super::selector::{self, Selector};
use crate::features::access::Authorized;
use crate::features::record::{self, Identity};
use crate::infra::crypto::RecordKey;
use crate::infra::crypto::record_key::checksum_in_sql;
use crate::infra::db::{DbError, PgConnection, bytes, like_literal, literal};
use crate::kernel::{BatchId, Email, ExposeSecret, Labels, OperationId, Slug, TenantId, Word};

/// The index that lets no two tenants have one slug.
pub(super) const SLUG_INDEX: &str = "tenants_slug";
/// How long it is remembered whose a slug was, in days.
const KEPT_DAYS: i32 = 30;
/// The columns of a [`Tenant`].
pub(super) const COLUMNS: &str = "id, slug, name, state, admin_email, labels, cluster, store, database_name, owner_role, \
                       app_role, bucket, access_key_id, shared_key, adopted, adoption, schema_version, created_at, updated_at, \
                       suspended_at, suspended_by, suspension_reason, trashed_at, trashed_by, trashed_from, purge_after, \
                       tier, segment, business_type, modules, max_users, max_storage_bytes, max_requests_a_month";

/// Writes a tenant's row, in state `provisioning`. `None` when the slug is taken.
pub(in crate::features) async fn insert(
    connection: &mut PgConnection,
    id: TenantId,
    new: &NewTenant,
    resources: &Resources,
    placed: (&str, &str, i64),
    key: &RecordKey,
) -> Result<Option<Tenant>, DbError> {
    let statement = insert_statement(id, new, resources, placed, key, "true");
    let row = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_optional(connection).await?;
    Ok(row.as_ref().map(Tenant::from_row).transpose()?)
}

/// The statement that does that where a condition holds, which can travel with others.
pub(in crate::features) fn insert_statement(
    id: TenantId,
    new: &NewTenant,
    resources: &Resources,
    (cluster, store, schema_version): (&str, &str, i64),
    key: &RecordKey,
    condition: &str,
) -> String {
    let identity = Identity {
        cluster,
        store,
        database: &resources.database_name,
        owner: &resources.owner_role,
        app: &resources.app_role,
        bucket: &resources.bucket,
    };
    let text = |word: Option<&Word>| word.map_or_else(|| "null".to_owned(), |word| literal(word.as_str()));
    let number =
        |limit: Option<i64>| limit.map_or_else(|| "null".to_owned(), |limit| format!("{limit}::bigint"));
    // In quotes: the word null without them would be none.
    let modules: Vec<String> = new.profile.modules.iter().map(|word| format!("\"{word}\"")).collect();
    let limits = &new.profile.limits;
    // A slug that a renamed tenant gave up is this one's from now on.
    format!(
        "with taken as (
             delete from control.retired_slugs where slug = {slug} and {condition}
               and not exists (select from control.tenants where slug = {slug} and state <> 'deleted'))
         insert into control.tenants (id, slug, name, state, admin_email, labels, cluster, store, database_name,
                                      owner_role, app_role, bucket, schema_version, shared_key,
                                      identity_checksum, slug_checksum, tier, segment, business_type, modules,
                                      max_users, max_storage_bytes, max_requests_a_month)
         select '{id}'::uuid, {slug}, {name}, 'provisioning', {email}, {labels}::jsonb, {cluster}, {store}, {database},
                {owner}, {app}, {bucket}, {schema_version},
                (select shared_key from control.stores where name = {store}), {checksum}, {slug_checksum},
                {tier}, {segment}, {business_type}, {modules}::text[], {max_users}, {max_storage}, {max_requests}
         where {condition}
         on conflict (slug) where state <> 'deleted' do nothing returning {COLUMNS}",
        slug = literal(new.slug.as_str()),
        name = literal(new.name()),
        email = new.admin_email.as_ref().map_or_else(|| "null".to_owned(), |email| literal(email.as_str())),
        labels = literal(&json!(new.labels).to_string()),
        cluster = literal(cluster),
        store = literal(store),
        database = literal(&resources.database_name),
        owner = literal(&resources.owner_role),
        app = literal(&resources.app_role),
        bucket = literal(&resources.bucket),
        checksum = bytes(&identity.checksum(key, id)),
        slug_checksum = bytes(&record::slug(key, new.slug.as_str(), id)),
        tier = text(new.profile.tier.as_ref()),
        segment = text(new.profile.segment.as_ref()),
        business_type = text(new.profile.business_type.as_ref()),
        modules = literal(&format!("{{{}}}", modules.join(","))),
        max_users = number(limits.max_users),
        max_storage = number(limits.max_storage_bytes),
        max_requests = number(limits.max_requests_a_month),
    )
}

/// Gives a pooled tenant of this schema version, and at a place that fits, its name. `None` when
/// there is none that is free, or the slug is taken.
pub(in crate::features) async fn claim(
    connection: &mut PgConnection,
    new: &NewTenant,
    (cluster, store, labels): (Option<&str>, Option<&str>, &Labels),
    schema_version: i64,
    key: &RecordKey,
) -> Result<Option<Tenant>, DbError> {
    let checksum = checksum_in_sql(9, "tenants.id::text");
    let statement = format!(
        "with chosen as (
             select id as chosen_id from control.tenants
             where state = 'pooled' and schema_version = $8 and not control.lacks_released(tenants.id)
               and ($5::text is null or cluster = $5) and ($6::text is null or store = $6)
               and cluster in (select name from control.clusters where state = 'active' and labels @> $7)
               and store in (select name from control.stores where state = 'active' and labels @> $7)
               and not exists (select from control.tenants as other where other.slug = $1 and other.state <> 'deleted')
             order by id limit 1 for update skip locked
         ), taken as (delete from control.retired_slugs where slug = $1 and exists (select from chosen))
         update control.tenants
         set slug = $1, name = $2, admin_email = $3, labels = $4, state = 'provisioning',
             slug_checksum = {checksum},
             tier = $10, segment = $11, business_type = $12, modules = $13, max_users = $14,
             max_storage_bytes = $15, max_requests_a_month = $16,
             created_at = now(), updated_at = now()
         from chosen where id = chosen_id returning {COLUMNS}"
    );
    let claimed = sqlx::query_as(AssertSqlSafe(statement))
        .bind(&new.slug)
        .bind(new.name())
        .bind(new.admin_email.as_ref().map(Email::as_str))
        .bind(Json(&new.labels))
        .bind(cluster)
        .bind(store)
        .bind(Json(labels))
        .bind(schema_version)
        .bind(record::slug_part(key, new.slug.as_str()).expose_secret().as_slice())
        .bind(&new.profile.tier)
        .bind(&new.profile.segment)
        .bind(&new.profile.business_type)
        .bind(&new.profile.modules)
        .bind(new.profile.limits.max_users)
        .bind(new.profile.limits.max_storage_bytes)
        .bind(new.profile.limits.max_requests_a_month)
        .fetch_optional(connection)
        .await
        .map_err(DbError::from);
    match claimed {
        // Somebody else took the slug at this moment.
        Err(error) if error.violates(SLUG_INDEX) => Ok(None),
        other => other,
    }
}

/// A tenant by its slug; those that are gone have none.
pub(super) async fn by_slug(connection: &mut PgConnection, slug: &str) -> Result<Option<Tenant>, DbError> {
    let statement = format!("select {COLUMNS} from control.tenants where slug = $1 and state <> 'deleted'");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(slug).fetch_optional(connection).await?)
}

/// A tenant by its id, gone or not.
pub(in crate::features) async fn by_id(
    connection: &mut PgConnection,
    id: TenantId,
) -> Result<Option<Tenant>, DbError> {
    let statement = format!("select {COLUMNS} from control.tenants where id = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(connection).await?)
}

/// The statement that reads a tenant's row, by a condition.
#[must_use]
pub(in crate::features) fn row(condition: &str) -> String {
    format!("select {COLUMNS} from control.tenants where {condition}")
}

/// A tenant by its id, gone or not, which nobody else changes before this transaction ends.
pub(super) async fn lock(connection: &mut PgConnection, id: TenantId) -> Result<Option<Tenant>, DbError> {
    let statement = format!("select {COLUMNS} from control.tenants where id = $1 for no key update");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(id).fetch_optional(connection).await?)
}

/// Gives a tenant another name, other labels and another profile. As a part of a batch it is an operation, too,
/// which the same statement records.
pub(super) async fn set_facts(
    connection: &mut PgConnection,
    id: TenantId,
    facts: &Facts,
    part: Option<(OperationId, BatchId, &Authorized<'_>, &Value)>,
) -> Result<(), DbError> {
    let Facts { name, labels, profile } = facts;
    let (operation, batch, caller, request) = part
        .map_or((None, None, None, None), |(id, batch, caller, request)| {
            (Some(id), Some(batch), Some(caller.to_string()), Some(request))
        });
    sqlx::query(
        "with changed as (
             update control.tenants
             set name = $2, labels = $3, updated_at = now(), tier = $8, segment = $9, business_type = $10,
                 modules = $11, max_users = $12, max_storage_bytes = $13, max_requests_a_month = $14
             where id = $1 returning id
         )
         insert into control.operations (id, tenant_id, kind, state, caller, request, batch_id, finished_at)
         select $4, id, 'update', 'done', $5, $6, $7, now() from changed where $4::uuid is not null",
    )
    .bind(id)
    .bind(name)
    .bind(Json(labels))
    .bind(operation)
    .bind(caller)
    .bind(request)
    .bind(batch)
    .bind(&profile.tier)
    .bind(&profile.segment)
    .bind(&profile.business_type)
    .bind(&profile.modules)
    .bind(profile.limits.max_users)
    .bind(profile.limits.max_storage_bytes)
    .bind(profile.limits.max_requests_a_month)
    .execute(connection)
    .await?;
    Ok(())
}

/// Gives a tenant another slug. Violates [`SLUG_INDEX`] where another tenant has it.
pub(super) async fn set_slug(
    connection: &mut PgConnection,
    id: TenantId,
    slug: &Slug,
    key: &RecordKey,
) -> Result<(), DbError> {
    sqlx::query("update control.tenants set slug = $2, slug_checksum = $3, updated_at = now() where id = $1")
        .bind(id)
        .bind(slug)
        .bind(record::slug(key, slug.as_str(), id))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that a tenant gave up a slug for another, which it may have had before. Forgets what was
/// given up so long ago that nobody is told of it any more.
pub(super) async fn retire(
    connection: &mut PgConnection,
    id: TenantId,
    (given_up, taken): (&str, &Slug),
) -> Result<(), DbError> {
    // Two that clear away at the same time do not wait for each other.
    sqlx::query(
        "delete from control.retired_slugs
         where slug in (select slug from control.retired_slugs
                        where slug = $1 or retired_at < now() - interval '1 day' * $2::integer
                        for update skip locked)",
    )
    .bind(taken)
    .bind(KEPT_DAYS)
    .execute(&mut *connection)
    .await?;
    sqlx::query(
        "insert into control.retired_slugs (slug, tenant_id) values ($1, $2)
         on conflict (slug) do update set tenant_id = excluded.tenant_id, retired_at = now()",
    )
    .bind(given_up)
    .bind(id)
    .execute(connection)
    .await?;
    Ok(())
}

/// Who had a slug until a rename: the tenant, its slug now, and since when. `None` where that was
/// too long ago, the tenant is gone, or somebody took the slug.
pub(super) async fn renamed(
    connection: &mut PgConnection,
    slug: &str,
) -> Result<Option<(TenantId, String, OffsetDateTime)>, DbError> {
    Ok(sqlx::query_as(
        "select tenants.id, tenants.slug, retired_at
         from control.retired_slugs join control.tenants on tenants.id = tenant_id
         where retired_slugs.slug = $1 and state <> 'deleted'
           and retired_at >= now() - interval '1 day' * $2::integer",
    )
    .bind(slug)
    .bind(KEPT_DAYS)
    .fetch_optional(connection)
    .await?)
}

/// The last tenant that had a slug and is gone: whether it was ever in use, when it went, and by whom.
pub(super) async fn gone(
    connection: &mut PgConnection,
    slug: &str,
) -> Result<Option<(TenantId, bool, OffsetDateTime, String)>, DbError> {
    Ok(sqlx::query_as(
        "select tenants.id, coalesce(kind = 'purge', false), coalesce(deleted_at, tenants.updated_at),
                coalesce(caller, 'somebody')
         from control.tenants left join lateral (
             select kind, caller from control.operations where tenant_id = tenants.id
             order by created_at desc, id desc limit 1) as last on true
         where slug = $1 and tenants.state = 'deleted' order by deleted_at desc nulls last limit 1",
    )
    .bind(slug)
    .fetch_optional(connection)
    .await?)
}

/// The slugs that a tenant gave up and that still lead to it, the last first.
pub(super) async fn former_slugs(
    connection: &mut PgConnection,
    id: TenantId,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select slug from control.retired_slugs
         where tenant_id = $1 and retired_at >= now() - interval '1 day' * $2::integer
           and not exists (select from control.tenants
                           where tenants.slug = retired_slugs.slug and state <> 'deleted')
         order by retired_at desc, slug",
    )
    .bind(id)
    .bind(KEPT_DAYS)
    .fetch_all(connection)
    .await?)
}

/// Notes that a tenant's database and logins were there before Nexus, and how they were found.
pub(in crate::features) async fn set_adopted(
    connection: &mut PgConnection,
    id: TenantId,
    adoption: Adoption,
) -> Result<(), DbError> {
    sqlx::query("update control.tenants set adopted = true, adoption = $2 where id = $1")
        .bind(id)
        .bind(Json(adoption))
        .execute(connection)
        .await?;
    Ok(())
}

/// Notes that other credentials are sealed: programs that keep them in memory are told by the row's change.
pub(in crate::features) async fn note_new_credentials(
    connection: &mut PgConnection,
    id: TenantId,
) -> Result<(), DbError> {
    sqlx::query("update control.tenants set updated_at = now() where id = $1")
        .bind(id)
        .execute(connection)
        .await?;
    Ok(())
}

/// The slug of the tenant that a database, or the login that an app uses, belongs to on a server.
pub(in crate::features) async fn holder(
    connection: &mut PgConnection,
    cluster: &str,
    (database, app_role): (&str, &str),
) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select slug from control.tenants
         where state <> 'deleted' and cluster = $1 and (database_name = $2 or app_role = $3) limit 1",
    )
    .bind(cluster)
    .bind(database)
    .bind(app_role)
    .fetch_optional(connection)
    .await?)
}

/// Moves a tenant to another state, as a step of an operation: it does not wait for the disk, because
/// the record of the operation's end does.
pub(in crate::features) async fn set_state(
    connection: &mut PgConnection,
    id: TenantId,
    state: TenantState,
) -> Result<(), DbError> {
    let statements = format!("set local synchronous_commit to off; {}", state_statement(id, state));
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await?;
    Ok(())
}

/// The statement that does that, which can travel with others.
#[must_use]
pub(in crate::features) fn state_statement(id: TenantId, state: TenantState) -> String {
    let gone = if state == TenantState::Deleted { "now()" } else { "null" };
    format!(
        "update control.tenants set state = {}, updated_at = now(), deleted_at = {gone} where id = '{id}'",
        literal(state.as_str())
    )
}

/// Notes the public half of a tenant's key.
pub(in crate::features) async fn set_access_key(
    connection: &mut PgConnection,
    id: TenantId,
    access_key_id: Option<&str>,
    key: &RecordKey,
) -> Result<(), DbError> {
    let checksum = record::access_key(key, id, access_key_id);
    // As text it needs one round trip, bound two.
    let statement = format!(
        "update control.tenants set access_key_id = {}, key_checksum = {}, updated_at = now() where id = '{id}'",
        access_key_id.map_or_else(|| "null".to_owned(), literal),
        checksum.map_or_else(|| "null".to_owned(), |checksum| bytes(&checksum)),
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(connection).await?;
    Ok(())
}

/// The ids and slugs of the tenants that fit a selector, by slug.
pub(super) async fn selected(
    connection: &mut PgConnection,
    selector: &Selector,
) -> Result<Vec<(TenantId, String)>, DbError> {
    let mut query = QueryBuilder::new("select id, slug from control.tenants where ");
    selector::push(&mut query, selector);
    let mut found: Vec<(TenantId, String)> = query.build_query_as().fetch_all(connection).await?;
    // All of them are in memory here, while the server would sort many of them on its disk.
    found.sort_unstable_by(|(id, slug), (other_id, other)| (slug, id).cmp(&(other, other_id)));
    Ok(found)
}

/// The slugs that begin with a text, sorted.
pub(super) async fn slugs(
    connection: &mut PgConnection,
    prefix: &str,
    limit: i64,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select slug from control.tenants where state <> 'deleted' and slug like $1 order by slug limit $2",
    )
    .bind(format!("{}%", like_literal(prefix)))
    .bind(limit)
    .fetch_all(connection)
    .await?)
}

/// The first keys of labels that tenants have.
pub(super) async fn label_keys(connection: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select distinct key from control.tenants, jsonb_object_keys(labels) as key
         where state <> 'deleted' order by key limit 20",
    )
    .fetch_all(connection)
    .await?)
}

/// Which tenants' rows were changed, and in which transaction, by those that a reading with this horizon did
/// not see, and the horizon of this reading: the oldest transaction that is under way. Numbers beyond those
/// that were ever given out come from another server, with a backup.
pub(super) async fn changed_since(
    connection: &mut PgConnection,
    horizon: Option<i64>,
) -> Result<(Vec<(TenantId, i64)>, i64), DbError> {
    let row = sqlx::query(
        "with changed as (
             select id, changed_in::text::bigint as changed_in from control.tenants
             where changed_in >= $1::text::xid8 and changed_in < pg_snapshot_xmax(pg_current_snapshot())
         )
         select array_agg(id) as ids, array_agg(changed_in) as changes,
                pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon
         from changed",
    )
    .bind(horizon.map(|it| it.to_string()))
    .fetch_one(connection)
    .await?;
    let ids: Option<Vec<TenantId>> = row.try_get("ids")?;
    let changes: Option<Vec<i64>> = row.try_get("changes")?;
    let changed = ids.unwrap_or_default().into_iter().zip(changes.unwrap_or_default());
    Ok((changed.collect(), row.try_get("horizon")?))
}
