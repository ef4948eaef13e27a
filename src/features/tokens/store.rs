//! The SQL of signing keys, recorded tokens and revocations, in the control database.

use futures_util::TryStreamExt;
use sqlx::{AssertSqlSafe, FromRow, Row};
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{IssuedFilter, IssuedView, KeyState, KeyView, Purpose};
use crate::features::audit;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Email, Page, TenantId};

/// How far the changes have come, and when that was, by the control database's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(super) struct Generations {
    pub(super) keys_generation: i64,
    pub(super) revocations_generation: i64,
    pub(super) now: OffsetDateTime,
}

pub(super) async fn generations(control: &mut PgConnection) -> Result<Generations, DbError> {
    Ok(sqlx::query_as(
        "select keys_generation, revocations_generation, clock_timestamp() as now from control.token_state",
    )
    .fetch_one(control)
    .await?)
}

/// The time, once every revocation that is under way has been committed. Materialized, so that the
/// lock is there before the clock is read.
pub(super) const ISSUE_TIME: &str = "with shared as materialized (select control.share_token_cuts())
    select (extract(epoch from clock_timestamp()) * 1000000)::bigint from shared";

pub(super) async fn issue_time(control: &mut PgConnection) -> Result<i64, DbError> {
    // As text it needs one round trip, bound two.
    Ok(sqlx::raw_sql(ISSUE_TIME).fetch_one(control).await?.try_get(0)?)
}

/// Keeps everybody else from changing keys until the transaction ends.
pub(super) async fn lock(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select from control.token_state for update").execute(control).await?;
    Ok(())
}

/// The columns of a key but for its state.
const KEY: &str =
    "kid, algorithm, purpose, created_at, activated_at, retired_at, good_until, public_jwk, realms,
     extract(epoch from clock_timestamp() - created_at)::bigint as age";

/// All keys, those in use first.
pub(super) async fn keys(control: &mut PgConnection) -> Result<Vec<KeyView>, DbError> {
    let statement = format!(
        "select {KEY}, case when state = 'retiring' and good_until <= now() then 'gone' else state end as state
         from control.signing_keys
         order by purpose desc, algorithm <> 'EdDSA', algorithm,
                  array_position(array['active', 'next', 'retiring', 'gone'], state), created_at desc"
    );
    // As text it needs one round trip, bound two.
    let rows = sqlx::raw_sql(AssertSqlSafe(statement)).fetch_all(control).await?;
    Ok(rows.iter().map(KeyView::from_row).collect::<Result<_, _>>()?)
}

/// All keys with the states that are recorded, whatever the time.
pub(super) async fn keys_as_recorded(control: &mut PgConnection) -> Result<Vec<KeyView>, DbError> {
    let statement = format!("select {KEY}, state from control.signing_keys order by created_at, kid");
    Ok(sqlx::query_as(AssertSqlSafe(statement)).fetch_all(control).await?)
}

/// What does not fit in the ledger of revocations, as object and detail; at most ten of each kind.
pub(super) async fn ledger_flaws(control: &mut PgConnection) -> Result<Vec<(String, String)>, DbError> {
    Ok(sqlx::query_as(
        "with chain as (
             select ledger.*, lag(ledger.hash) over ordered as before,
                    lag(ledger.generation) over ordered as previous
             from control.revocation_ledger as ledger window ordered as (order by ledger.generation)
         )
         (select 'revocation ' || chain.generation, 'its row is gone'
          from chain where chain.expires_at > now()
            and not exists (select from control.token_revocations as it where it.generation = chain.generation)
          order by chain.generation limit 10)
         union all
         (select 'revocation ' || chain.generation, 'its row was changed'
          from chain join control.token_revocations as it on it.generation = chain.generation
          where control.revocation_hash(it) <> chain.row_hash
          order by chain.generation limit 10)
         union all
         (select 'revocation ' || it.generation, 'the ledger does not have it'
          from control.token_revocations as it
          where it.expires_at > now()
            and not exists (select from chain where chain.generation = it.generation)
          order by it.generation limit 10)
         union all
         (select 'the ledger of revocations', 'row ' || chain.generation || ' does not follow from the one before'
          from chain where chain.previous is not null
            and (chain.generation <> chain.previous + 1
                 or chain.hash <> control.ledger_hash(chain.before, chain.row_hash, chain.expires_at))
          order by chain.generation limit 10)
         union all
         select 'the ledger of revocations',
                'it ends at ' || ended.at || ', and ' || state.revocations_generation || ' were made'
         from control.token_state as state
         cross join (select coalesce(max(generation), 0) as at from chain) as ended
         where ended.at <> state.revocations_generation",
    )
    .fetch_all(control)
    .await?)
}

pub(super) async fn insert_key(
    control: &mut PgConnection,
    kid: &str,
    (algorithm, purpose, state): (&str, Purpose, KeyState),
    (jwk, realms): (&serde_json::Value, &[TenantId]),
) -> Result<(), DbError> {
    let realms: Vec<Uuid> = realms.iter().map(|realm| realm.uuid()).collect();
    sqlx::query(
        "insert into control.signing_keys (kid, algorithm, purpose, state, public_jwk, realms, activated_at)
         values ($1, $2, $3, $4, $5, $6, case when $4 = 'active' then now() end)",
    )
    .bind(kid)
    .bind(algorithm)
    .bind(purpose)
    .bind(state)
    .bind(jwk)
    .bind(realms)
    .execute(control)
    .await?;
    Ok(())
}

pub(super) async fn activate_key(control: &mut PgConnection, kid: &str) -> Result<(), DbError> {
    sqlx::query("update control.signing_keys set state = 'active', activated_at = now() where kid = $1")
        .bind(kid)
        .execute(control)
        .await?;
    Ok(())
}

/// Notes that a key stops signing now, and when its last token is over; gives both times.
pub(super) async fn retire_key(
    control: &mut PgConnection,
    kid: &str,
    overlap_seconds: i64,
) -> Result<(OffsetDateTime, OffsetDateTime), DbError> {
    Ok(sqlx::query_as(
        "update control.signing_keys
         set state = 'retiring', retired_at = now(), good_until = now() + make_interval(secs => $2)
         where kid = $1 returning retired_at, good_until",
    )
    .bind(kid)
    .bind(seconds(overlap_seconds))
    .fetch_one(control)
    .await?)
}

pub(super) async fn bury_key(control: &mut PgConnection, kid: &str) -> Result<(), DbError> {
    sqlx::query(
        "update control.signing_keys
         set state = 'gone', retired_at = coalesce(retired_at, now()), good_until = least(good_until, now())
         where kid = $1",
    )
    .bind(kid)
    .execute(control)
    .await?;
    Ok(())
}

/// Keys whose last token is over.
pub(super) async fn spent_keys(control: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar(
        "select kid from control.signing_keys where state = 'retiring' and good_until <= now()",
    )
    .fetch_all(control)
    .await?)
}

/// Forgets recorded tokens that have been over for a month, some hundreds at a time.
///
/// A statement of its own, and not of each token: prepared while the table is small, it would go on reading the
/// whole of it until the table is analyzed.
pub(super) async fn forget_issued(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.issued_tokens where jti = any (array(
             select jti from control.issued_tokens where expires_at < now() - interval '30 days'
             order by expires_at limit 500 for update skip locked))",
    )
    .persistent(false)
    .execute(control)
    .await?;
    Ok(())
}

/// A token to record.
#[derive(Debug)]
pub(super) struct Issued<'a> {
    pub(super) jti: Uuid,
    pub(super) realm: TenantId,
    pub(super) user: (Uuid, &'a str),
    pub(super) caller: String,
    pub(super) reason: Option<&'a str>,
    pub(super) audience: &'a str,
    pub(super) times: (OffsetDateTime, OffsetDateTime),
    /// When the session began that it continues.
    pub(super) continues: Option<OffsetDateTime>,
}

/// What came of recording a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Recorded {
    Done,
    /// The user's tokens were revoked since it was dated.
    Revoked,
    /// So was the session that it continues.
    SessionRevoked,
    /// Its key signs no more.
    KeyRetired,
}

/// Records a token, and where there is an entry for it in the log, too, as one statement.
pub(super) async fn insert_issued(
    control: &mut PgConnection,
    token: &Issued<'_>,
    kid: &str,
    entry: Option<&audit::Entry<'_>>,
) -> Result<Recorded, DbError> {
    let logged = match entry {
        Some(entry) => format!(", logged as ({})", audit::statement(entry, "exists (select from recorded)")),
        None => String::new(),
    };
    let statement = format!(
        "with now as materialized (
             select exists (select from control.signing_keys where kid = $2 and state = 'active') as signs,
                    exists (select from control.token_revocations
                            where jti is null and issued_until >= $9
                              and (tenant_id is null or tenant_id = $3) and (user_id is null or user_id = $4))
                        as revoked,
                    exists (select from control.token_revocations
                            where jti is null and not sessions_go_on and issued_until >= $11
                              and (tenant_id is null or tenant_id = $3) and (user_id is null or user_id = $4))
                        as session_revoked
         ), recorded as (
             insert into control.issued_tokens (jti, kid, tenant_id, user_id, email, caller, impersonated, reason,
                                                audience, issued_at, expires_at)
             select $1, $2, $3, $4, $5, $6, $7 is not null, $7, $8, $9, $10
             from now where signs and not revoked and not session_revoked
             returning jti
         ){logged}
         select signs, revoked, session_revoked from now"
    );
    let found: Vec<(bool, bool, bool)> = sqlx::query_as(AssertSqlSafe(statement))
        // What is written into a log is part of the statement, and differs each time.
        .persistent(entry.is_none())
        .bind(token.jti)
        .bind(kid)
        .bind(token.realm)
        .bind(token.user.0)
        .bind(token.user.1)
        .bind(&token.caller)
        .bind(token.reason)
        .bind(token.audience)
        .bind(token.times.0)
        .bind(token.times.1)
        .bind(token.continues)
        // To its end: a row comes before what the statement writes is committed.
        .fetch_all(control)
        .await?;
    let (signs, revoked, session_revoked) = found.first().copied().unwrap_or_default();
    Ok(match (signs, revoked, session_revoked) {
        (_, _, true) => Recorded::SessionRevoked,
        (_, true, false) => Recorded::Revoked,
        (false, false, false) => Recorded::KeyRetired,
        (true, false, false) => Recorded::Done,
    })
}

/// The ways in which an address is written in recorded tokens.
pub(super) async fn spellings(control: &mut PgConnection, email: &Email) -> Result<Vec<String>, DbError> {
    let statement = "select distinct email from control.issued_tokens";
    let mut recorded = sqlx::query_scalar::<_, String>(statement).fetch(control);
    let mut found = Vec::new();
    while let Some(one) = recorded.try_next().await? {
        if email.is(&one) {
            found.push(one);
        }
    }
    Ok(found)
}

pub(super) async fn issued(
    control: &mut PgConnection,
    (filter, spellings): (&IssuedFilter, Option<Vec<String>>),
    page: Page,
) -> Result<Vec<IssuedView>, DbError> {
    Ok(sqlx::query_as(
        "with listed as (
             select issued.*, tenants.slug as tenant,
                    case when expires_at <= now() then 'expired'
                         when exists (select from control.token_revocations as revoked
                                      where revoked.jti = issued.jti
                                         or issued.issued_at <= revoked.issued_until
                                            and (revoked.tenant_id is null or revoked.tenant_id = issued.tenant_id)
                                            and (revoked.user_id is null or revoked.user_id = issued.user_id))
                         then 'revoked' else 'good' end as state
             from control.issued_tokens as issued left join control.tenants on tenants.id = issued.tenant_id
             where ($1::uuid is null or issued.tenant_id = $1)
               and ($2::text[] is null or issued.email = any ($2))
               and ($3 or issued.expires_at > now())
               and ($6::timestamptz is null or (issued.issued_at, issued.jti) < ($6, $7))
         )
         select jti, state, tenant, email, kid, audience, caller, impersonated, reason,
                date_trunc('second', listed.issued_at) as issued_at, expires_at
         from listed where $3 or state = 'good'
         order by listed.issued_at desc, jti desc limit $4 offset $5",
    )
    .bind(filter.tenant)
    .bind(spellings)
    .bind(filter.all)
    .bind(i64::from(page.limit))
    .bind(page.offset())
    .bind(filter.before.map(|(at, _)| at))
    .bind(filter.before.map(|(_, jti)| jti))
    .fetch_all(control)
    .await?)
}

/// One revocation as a verifier reads it.
#[derive(Debug, Clone, FromRow)]
pub(super) struct RevocationRow {
    pub(super) generation: i64,
    pub(super) jti: Option<Uuid>,
    pub(super) tenant_id: Option<TenantId>,
    pub(super) user_id: Option<Uuid>,
    pub(super) issued_until: Option<OffsetDateTime>,
    pub(super) expires_at: OffsetDateTime,
}

/// The revocations after a generation that can still refuse a token.
pub(super) async fn revocations(
    control: &mut PgConnection,
    after: i64,
) -> Result<Vec<RevocationRow>, DbError> {
    Ok(sqlx::query_as(
        "select generation, jti, tenant_id, user_id, issued_until, expires_at
         from control.token_revocations where generation > $1 and expires_at > now()",
    )
    .bind(after)
    .fetch_all(control)
    .await?)
}

/// What is to be revoked: a token; or what was issued until a time, of a user, a tenant, everybody.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct NewRevocation {
    pub(super) jti: Option<Uuid>,
    pub(super) tenant: Option<TenantId>,
    pub(super) user: Option<Uuid>,
    pub(super) until: Option<OffsetDateTime>,
    /// Whether sessions that began until then go on.
    pub(super) sessions_go_on: bool,
}

/// Keeps everybody from dating a token until the transaction ends; gives the time.
pub(super) async fn lock_cuts(control: &mut PgConnection) -> Result<OffsetDateTime, DbError> {
    Ok(sqlx::query_scalar(
        "with held as materialized (select control.lock_token_cuts()) select clock_timestamp() from held",
    )
    .fetch_one(control)
    .await?)
}

/// The time by the control database's clock.
pub(super) async fn now(control: &mut PgConnection) -> Result<OffsetDateTime, DbError> {
    Ok(sqlx::query_scalar("select clock_timestamp()").fetch_one(control).await?)
}

/// Writes a revocation.
pub(super) async fn insert_revocation(
    control: &mut PgConnection,
    new: NewRevocation,
    keep_seconds: i64,
    caller: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.token_revocations
             (jti, tenant_id, user_id, issued_until, expires_at, caller, sessions_go_on)
         values ($1, $2, $3, $4, clock_timestamp() + make_interval(secs => $5), $6, $7)",
    )
    .bind(new.jti)
    .bind(new.tenant)
    .bind(new.user)
    .bind(new.until)
    .bind(seconds(keep_seconds))
    .bind(caller)
    .bind(new.sessions_go_on)
    .execute(control)
    .await?;
    Ok(())
}

/// Revokes what was issued until this moment, in one statement.
pub(super) async fn revoke_until_now(
    control: &mut PgConnection,
    (realm, user): (TenantId, Option<Uuid>),
    keep_seconds: i64,
    caller: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "with held as materialized (select control.lock_token_cuts()),
              cut as materialized (select clock_timestamp() as now from held)
         insert into control.token_revocations
             (tenant_id, user_id, issued_until, expires_at, caller, sessions_go_on)
         select $1, $2, now, now + make_interval(secs => $3), $4, true from cut",
    )
    .bind(realm)
    .bind(user)
    .bind(seconds(keep_seconds))
    .bind(caller)
    .execute(control)
    .await?;
    Ok(())
}

fn seconds(seconds: i64) -> f64 {
    f64::from(i32::try_from(seconds).unwrap_or(i32::MAX))
}

/// Forgets what refuses nothing any more: a session lasts for thirty days, and is refused where all
/// of a user's tokens were revoked after it had begun.
pub(super) async fn forget_revocations(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query(
        "delete from control.token_revocations
         where expires_at < now() - case when jti is null then interval '40 days' else interval '1 hour' end",
    )
    .execute(control)
    .await?;
    Ok(())
}

/// The latest time until which a user's sessions were revoked.
pub(super) async fn sessions_revoked_until(
    control: &mut PgConnection,
    (realm, user): (TenantId, Uuid),
) -> Result<Option<OffsetDateTime>, DbError> {
    Ok(sqlx::query_scalar(
        "select max(issued_until) from control.token_revocations
         where jti is null and (tenant_id is null or tenant_id = $1) and (user_id is null or user_id = $2)
           and not sessions_go_on",
    )
    .bind(realm)
    .bind(user)
    .fetch_one(control)
    .await?)
}

/// How many recorded tokens a revocation takes back.
pub(super) async fn count_hit(control: &mut PgConnection, new: NewRevocation) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from control.issued_tokens
         where expires_at > now() and ($1::uuid is null or jti = $1)
           and ($2::uuid is null or tenant_id = $2) and ($3::uuid is null or user_id = $3)
           and ($4::timestamptz is null or issued_at <= $4)",
    )
    .bind(new.jti)
    .bind(new.tenant)
    .bind(new.user)
    .bind(new.until)
    .fetch_one(control)
    .await?)
}
