//! The SQL of servers, stores and templates.

use sqlx::postgres::PgRow;
use sqlx::types::Json;
use sqlx::{AssertSqlSafe, FromRow, Row};

use super::model::{
    AddCluster, AddStore, Candidate, ClusterView, PlaceChange, PlacementRequest, ServerPlace, StorePlace,
    StoreView,
};
use crate::infra::crypto::RecordKey;
use crate::infra::db::{DbError, PgConnection, literal};

const CLUSTER: &str = "name, state, host, port, login, tls, labels, tenants, capacity, connections, \
                       checked_at, problem, created_at";
const STORE: &str = "name, state, driver, endpoint, admin_endpoint, region, shared_key, labels, tenants, \
                     capacity, checked_at, problem, created_at";

/// What a login may do on a server.
#[derive(Debug, FromRow)]
pub(super) struct Rights {
    pub(super) version: i32,
    pub(super) superuser: bool,
    /// The server's identifier (manual, chapter 9.27.12).
    pub(super) system_id: String,
}

pub(super) async fn rights(admin: &mut PgConnection) -> Result<Rights, DbError> {
    Ok(sqlx::query_as(
        "select current_setting('server_version_num')::int / 10000 as version,
                (select rolsuper from pg_roles where rolname = current_user) as superuser,
                (select system_identifier::text from pg_control_system()) as system_id",
    )
    .fetch_one(admin)
    .await?)
}

/// What is read of a server that is to be opened: its budget of sessions, its identifier, the youngest
/// fence. `name` is an expression. As text it needs one round trip, bound two, and can travel with other
/// statements.
pub(super) fn server_statement(name: &str) -> String {
    format!(
        "select connections, system_id,
                (select case when is_called then last_value else 0 end from control.fences) as last_fence
         from control.clusters where clusters.name = {name}"
    )
}

/// The row of a [`ServerRecord`](super::ServerRecord).
pub(super) async fn server_record(control: &mut PgConnection, name: &str) -> Result<Option<PgRow>, DbError> {
    let statement = server_statement(&literal(name));
    Ok(sqlx::raw_sql(AssertSqlSafe(statement)).fetch_optional(control).await?)
}

/// The highest fence that was ever given out; 0: none.
pub(super) async fn last_fence(control: &mut PgConnection) -> Result<i64, DbError> {
    let statement = "select case when is_called then last_value else 0 end from control.fences";
    Ok(sqlx::raw_sql(statement).fetch_one(control).await?.try_get(0)?)
}

/// Notes which server this is, where that was never noted.
pub(super) async fn note_system(
    control: &mut PgConnection,
    name: &str,
    system_id: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "update control.clusters set system_id = $2
         where name = $1 and system_id is null
           and not exists (select from control.clusters as other where other.system_id = $2)",
    )
    .bind(name)
    .bind(system_id)
    .execute(control)
    .await?;
    Ok(())
}

/// Forgets which servers these are.
pub(super) async fn forget_systems(control: &mut PgConnection, names: &[String]) -> Result<(), DbError> {
    sqlx::query("update control.clusters set system_id = null where name = any($1)")
        .bind(names)
        .execute(control)
        .await?;
    Ok(())
}

/// The servers and the stores that fit: those whose last check failed at the end, the emptiest first
/// by their share of capacity; what has no capacity counts as one of 1,000.
pub(super) async fn candidates(
    control: &mut PgConnection,
    wish: &PlacementRequest,
) -> Result<Vec<CandidateRow>, DbError> {
    let is = |name: &Option<String>| {
        name.as_deref().map_or_else(|| "true".to_owned(), |name| format!("name = {}", literal(name)))
    };
    // As text it needs one round trip, bound two: it is asked once.
    let statement = format!(
        "with fits as (
             select true as server, name, problem, tenants::float8 / coalesce(capacity, 1000) as share
             from control.clusters
             where state = 'active' and {cluster} and labels @> {labels}::jsonb
               and (capacity is null or tenants < capacity)
             union all
             select false, name, problem, tenants::float8 / coalesce(capacity, 1000) from control.stores
             where state = 'active' and {store} and labels @> {labels}::jsonb
               and (capacity is null or tenants < capacity)
         )
         select server, name, problem, share, exists (select from control.pools where size > 0) as pooled
         from fits order by problem is not null, share, name",
        cluster = is(&wish.cluster),
        store = is(&wish.store),
        labels = literal(&serde_json::json!(wish.labels).to_string()),
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(control).await?;
    Ok(rows.iter().map(CandidateRow::from_row).collect::<Result<_, _>>()?)
}

/// A server or a store that fits a wish.
#[derive(FromRow)]
pub(super) struct CandidateRow {
    pub(super) server: bool,
    #[sqlx(flatten)]
    pub(super) candidate: Candidate,
    pub(super) pooled: bool,
}

pub(super) async fn cluster_exists(control: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from control.clusters where name = $1)")
        .bind(name)
        .fetch_one(control)
        .await?)
}

pub(super) async fn store_exists(control: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from control.stores where name = $1)")
        .bind(name)
        .fetch_one(control)
        .await?)
}

pub(super) async fn server_place(
    control: &mut PgConnection,
    name: &str,
) -> Result<Option<ServerPlace>, DbError> {
    Ok(sqlx::query_as(
        "select host, port, login, database, tls, ca_certificate from control.clusters
         where name = $1 and host is not null",
    )
    .bind(name)
    .fetch_optional(control)
    .await?)
}

pub(super) async fn store_place(
    control: &mut PgConnection,
    name: &str,
) -> Result<Option<StorePlace>, DbError> {
    Ok(sqlx::query_as(
        "select driver, endpoint, admin_endpoint, region, access_key_id, shared_key from control.stores
         where name = $1 and endpoint is not null",
    )
    .bind(name)
    .fetch_optional(control)
    .await?)
}

/// Writes a server down, as one that takes no tenants yet, or once more where its preparation was cut
/// short. `false` when the name is taken.
pub(super) async fn insert_cluster(
    control: &mut PgConnection,
    add: &AddCluster,
    system_id: &str,
    key: &RecordKey,
) -> Result<bool, DbError> {
    let place = &add.place;
    let done = sqlx::query(
        "insert into control.clusters
             (name, host, port, login, database, tls, ca_certificate, labels, capacity, connections, system_id,
              state, preparing, checksum)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, 'draining', true, $12)
         on conflict (name) do update
         set labels = excluded.labels, capacity = excluded.capacity, connections = excluded.connections,
             system_id = excluded.system_id, checksum = excluded.checksum, updated_at = now()
         where clusters.preparing and (clusters.host, clusters.port, clusters.login, clusters.database)
                                      = (excluded.host, excluded.port, excluded.login, excluded.database)",
    )
    .bind(add.name.as_str())
    .bind(&place.host)
    .bind(place.port)
    .bind(&place.login)
    .bind(&place.database)
    .bind(&place.tls)
    .bind(&place.ca_certificate)
    .bind(Json(&add.labels))
    .bind(add.capacity)
    .bind(add.connections)
    .bind(system_id)
    .bind(place.checksum(key, add.name.as_str()))
    .execute(control)
    .await
    .map_err(DbError::from);
    match done {
        // 23505: the same server gets another name at this moment.
        Err(error) if error.state() == Some("23505") => Ok(false),
        done => Ok(done?.rows_affected() == 1),
    }
}

/// A server that was just prepared takes tenants from here on. `false` when it was prepared
/// before.
pub(super) async fn opened_for_tenants(control: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    let done = sqlx::query(
        "update control.clusters
         set state = 'active', preparing = false, checked_at = now(), problem = null, updated_at = now()
         where name = $1 and preparing",
    )
    .bind(name)
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Whether a server is written down and was never prepared whole.
pub(super) async fn is_preparing(control: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    Ok(sqlx::query_scalar("select exists (select from control.clusters where name = $1 and preparing)")
        .bind(name)
        .fetch_one(control)
        .await?)
}

pub(super) async fn cluster_of_system(
    control: &mut PgConnection,
    system_id: &str,
) -> Result<Option<String>, DbError> {
    Ok(sqlx::query_scalar("select name from control.clusters where system_id = $1")
        .bind(system_id)
        .fetch_optional(control)
        .await?)
}

pub(super) async fn clusters(control: &mut PgConnection) -> Result<Vec<ClusterView>, DbError> {
    let statement = format!("select {CLUSTER} from control.clusters order by name");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).fetch_all(control).await?)
}

pub(super) async fn cluster(control: &mut PgConnection, name: &str) -> Result<Option<ClusterView>, DbError> {
    let statement = format!("select {CLUSTER} from control.clusters where name = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(name).fetch_optional(control).await?)
}

pub(super) async fn update_cluster(
    control: &mut PgConnection,
    name: &str,
    change: &PlaceChange,
) -> Result<Option<ClusterView>, DbError> {
    let statement = format!(
        "update control.clusters set labels = (labels || $2) - $3::text[],
                capacity = case when $4 then $5 else capacity end,
                connections = case when $6 then $7 else connections end,
                state = coalesce($8, state), updated_at = now()
         where name = $1 and not (preparing and $8 is not distinct from 'active') returning {CLUSTER}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(name)
        .bind(Json(&change.labels))
        .bind(&change.unlabel)
        .bind(change.capacity.is_some())
        .bind(change.capacity.flatten())
        .bind(change.connections.is_some())
        .bind(change.connections.flatten())
        .bind(change.state)
        .fetch_optional(control)
        .await?)
}

/// Writes down what a check found.
pub(super) async fn checked_cluster(
    control: &mut PgConnection,
    name: &str,
    problem: Option<&str>,
    system_id: Option<&str>,
) -> Result<Option<ClusterView>, DbError> {
    let statement = format!(
        "update control.clusters set checked_at = now(),
                system_id = coalesce(system_id, (select $3::text where not exists (
                    select from control.clusters as other where other.system_id = $3::text))),
                problem = coalesce($2, case when preparing then
                    'it was never prepared whole: repeat its registration, with the same settings' end)
         where name = $1 returning {CLUSTER}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(name)
        .bind(problem)
        .bind(system_id)
        .fetch_optional(control)
        .await?)
}

/// Deletes a server's row. `false` when tenants live on it. The rows of those that are gone name the
/// server of the settings from then on.
pub(super) async fn delete_cluster(control: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    let done = sqlx::query(
        "with moved as (update control.tenants set cluster = 'default' where cluster = $1 and state = 'deleted')
         delete from control.clusters where name = $1 and tenants = 0",
    )
    .bind(name)
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn insert_store(
    control: &mut PgConnection,
    add: &AddStore,
    key: &RecordKey,
) -> Result<bool, DbError> {
    let place = &add.place;
    let done = sqlx::query(
        "insert into control.stores
             (name, driver, endpoint, admin_endpoint, region, access_key_id, shared_key, labels, capacity, checked_at,
              checksum)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9, now(), $10) on conflict do nothing",
    )
    .bind(add.name.as_str())
    .bind(place.driver)
    .bind(&place.endpoint)
    .bind(&place.admin_endpoint)
    .bind(&place.region)
    .bind(&place.access_key_id)
    .bind(place.shared_key)
    .bind(Json(&add.labels))
    .bind(add.capacity)
    .bind(place.checksum(key, add.name.as_str()))
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn stores(control: &mut PgConnection) -> Result<Vec<StoreView>, DbError> {
    let statement = format!("select {STORE} from control.stores order by name");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).fetch_all(control).await?)
}

pub(super) async fn store(control: &mut PgConnection, name: &str) -> Result<Option<StoreView>, DbError> {
    let statement = format!("select {STORE} from control.stores where name = $1");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(name).fetch_optional(control).await?)
}

pub(super) async fn update_store(
    control: &mut PgConnection,
    name: &str,
    change: &PlaceChange,
) -> Result<Option<StoreView>, DbError> {
    let statement = format!(
        "update control.stores set labels = (labels || $2) - $3::text[],
                capacity = case when $4 then $5 else capacity end,
                state = coalesce($6, state), updated_at = now()
         where name = $1 returning {STORE}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement))
        .bind(name)
        .bind(Json(&change.labels))
        .bind(&change.unlabel)
        .bind(change.capacity.is_some())
        .bind(change.capacity.flatten())
        .bind(change.state)
        .fetch_optional(control)
        .await?)
}

/// Writes down what a check found.
pub(super) async fn checked_store(
    control: &mut PgConnection,
    name: &str,
    problem: Option<&str>,
) -> Result<Option<StoreView>, DbError> {
    let statement = format!(
        "update control.stores set checked_at = now(), problem = $2 where name = $1 returning {STORE}"
    );
    Ok(sqlx::query_as(AssertSqlSafe(statement)).bind(name).bind(problem).fetch_optional(control).await?)
}

/// Deletes a store's row, as [`delete_cluster`].
pub(super) async fn delete_store(control: &mut PgConnection, name: &str) -> Result<bool, DbError> {
    let done = sqlx::query(
        "with moved as (update control.tenants set store = 'default' where store = $1 and state = 'deleted')
         delete from control.stores where name = $1 and tenants = 0",
    )
    .bind(name)
    .execute(control)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The servers and stores whose rows were changed by transactions that a reading with this horizon did not
/// see, and the horizon of this reading, as in the store of `tenants`.
pub(super) async fn changed_since(
    control: &mut PgConnection,
    horizon: Option<i64>,
) -> Result<(Vec<(String, i64)>, i64), DbError> {
    let row = sqlx::query(
        "with place as (
             select name, changed_in from control.clusters
             union all select name, changed_in from control.stores
         ), changed as (
             select name, changed_in::text::bigint as changed_in from place
             where changed_in >= $1::text::xid8 and changed_in < pg_snapshot_xmax(pg_current_snapshot())
         )
         select array_agg(name) as names, array_agg(changed_in) as changes,
                pg_snapshot_xmin(pg_current_snapshot())::text::bigint as horizon
         from changed",
    )
    .bind(horizon.map(|it| it.to_string()))
    .fetch_one(control)
    .await?;
    let names: Option<Vec<String>> = row.try_get("names")?;
    let changes: Option<Vec<i64>> = row.try_get("changes")?;
    let changed = names.unwrap_or_default().into_iter().zip(changes.unwrap_or_default());
    Ok((changed.collect(), row.try_get("horizon")?))
}

/// Says that a server has a new password, which lies elsewhere.
pub(super) async fn touch_cluster(control: &mut PgConnection, name: &str) -> Result<(), DbError> {
    let statement = "update control.clusters set updated_at = now() where name = $1";
    sqlx::query(statement).bind(name).execute(control).await?;
    Ok(())
}

/// Says that a store has a new secret, which lies elsewhere.
pub(super) async fn touch_store(control: &mut PgConnection, name: &str) -> Result<(), DbError> {
    let statement = "update control.stores set updated_at = now() where name = $1";
    sqlx::query(statement).bind(name).execute(control).await?;
    Ok(())
}
