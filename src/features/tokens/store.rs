//! The SQL of signing keys, recorded tokens and revocations, in the control database.

use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use super::model::{IssuedFilter, IssuedView, KeyState, KeyView, Purpose};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Page, TenantId};

/// How far the changes have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(super) struct Generations {
    pub(super) keys_generation: i64,
    pub(super) revocations_generation: i64,
}

pub(super) async fn generations(control: &mut PgConnection) -> Result<Generations, DbError> {
    Ok(sqlx::query_as("select keys_generation, revocations_generation from control.token_state")
        .fetch_one(control)
        .await?)
}

/// Keeps everybody else from changing keys until the transaction ends.
pub(super) async fn lock(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select from control.token_state for update").execute(control).await?;
    Ok(())
}

/// All keys, those in use first.
pub(super) async fn keys(control: &mut PgConnection) -> Result<Vec<KeyView>, DbError> {
    Ok(sqlx::query_as(
        "select kid, algorithm, purpose,
                case when state = 'retiring' and good_until <= now() then 'gone' else state end as state,
                created_at, activated_at, retired_at, good_until, public_jwk
         from control.signing_keys
         order by purpose desc, algorithm <> 'EdDSA', algorithm,
                  array_position(array['active', 'next', 'retiring', 'gone'], state), created_at desc",
    )
    .fetch_all(control)
    .await?)
}

pub(super) async fn insert_key(
    control: &mut PgConnection,
    kid: &str,
    (algorithm, purpose, state): (&str, Purpose, KeyState),
    jwk: &serde_json::Value,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.signing_keys (kid, algorithm, purpose, state, public_jwk, activated_at)
         values ($1, $2, $3, $4, $5, case when $4 = 'active' then now() end)",
    )
    .bind(kid)
    .bind(algorithm)
    .bind(purpose)
    .bind(state)
    .bind(jwk)
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
    .bind(f64::from(i32::try_from(overlap_seconds).unwrap_or(i32::MAX)))
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

/// A token to record.
#[derive(Debug)]
pub(super) struct Issued<'a> {
    pub(super) jti: Uuid,
    pub(super) kid: &'a str,
    pub(super) realm: TenantId,
    pub(super) user: (Uuid, &'a str),
    pub(super) caller: String,
    pub(super) reason: Option<&'a str>,
    pub(super) audience: &'a str,
    pub(super) times: (OffsetDateTime, OffsetDateTime),
}

pub(super) async fn insert_issued(control: &mut PgConnection, token: Issued<'_>) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.issued_tokens (jti, kid, tenant_id, user_id, email, caller, impersonated, reason,
                                            audience, issued_at, expires_at)
         values ($1, $2, $3, $4, $5, $6, $7 is not null, $7, $8, $9, $10)",
    )
    .bind(token.jti)
    .bind(token.kid)
    .bind(token.realm)
    .bind(token.user.0)
    .bind(token.user.1)
    .bind(token.caller)
    .bind(token.reason)
    .bind(token.audience)
    .bind(token.times.0)
    .bind(token.times.1)
    .execute(control)
    .await?;
    Ok(())
}

/// The addresses for which tokens were minted and recorded.
pub(super) async fn issued_emails(control: &mut PgConnection) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select distinct email from control.issued_tokens order by email limit 5000")
        .fetch_all(control)
        .await?)
}

/// Forgets tokens that have been over for a month.
pub(super) async fn forget_issued(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("delete from control.issued_tokens where expires_at < now() - interval '30 days'")
        .execute(control)
        .await?;
    Ok(())
}

pub(super) async fn issued(
    control: &mut PgConnection,
    filter: &IssuedFilter,
    page: Page,
) -> Result<Vec<IssuedView>, DbError> {
    Ok(sqlx::query_as(
        "with listed as (
             select issued.*, tenants.slug as tenant,
                    case when expires_at <= now() then 'expired'
                         when exists (select from control.token_revocations as revoked
                                      where revoked.jti = issued.jti
                                         or date_trunc('second', issued.issued_at) <= revoked.issued_until
                                            and (revoked.tenant_id is null or revoked.tenant_id = issued.tenant_id)
                                            and (revoked.user_id is null or revoked.user_id = issued.user_id))
                         then 'revoked' else 'good' end as state
             from control.issued_tokens as issued left join control.tenants on tenants.id = issued.tenant_id
             where ($1::uuid is null or issued.tenant_id = $1)
               and ($2::text is null or lower(issued.email) = lower($2))
               and ($3 or issued.expires_at > now())
         )
         select jti, state, tenant, email, kid, audience, caller, impersonated, reason, issued_at, expires_at
         from listed where $3 or state = 'good'
         order by issued_at desc, jti desc limit $4 offset $5",
    )
    .bind(filter.tenant)
    .bind(&filter.email)
    .bind(filter.all)
    .bind(i64::from(page.limit))
    .bind(page.offset())
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
    /// Whether that is the present second.
    pub(super) reaches_now: bool,
    /// Whether sessions that began until then go on.
    pub(super) sessions_go_on: bool,
}

/// Writes a revocation. A token that is minted in the second of an earlier one is dated a second
/// later, so one that comes in the same second reaches as far.
pub(super) async fn insert_revocation(
    control: &mut PgConnection,
    new: NewRevocation,
    keep_seconds: i64,
    caller: &str,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.token_revocations
             (jti, tenant_id, user_id, issued_until, expires_at, caller, sessions_go_on)
         select $1, $2, $3,
                greatest($4, (select date_trunc('second', max(issued_until)) + interval '1 second'
                              from control.token_revocations
                              where jti is null and $7
                                and (tenant_id is null or $2 is null or tenant_id = $2)
                                and (user_id is null or $3 is null or user_id = $3))),
                now() + make_interval(secs => $5), $6, $8",
    )
    .bind(new.jti)
    .bind(new.tenant)
    .bind(new.user)
    .bind(new.until)
    .bind(f64::from(i32::try_from(keep_seconds).unwrap_or(i32::MAX)))
    .bind(caller)
    .bind(new.reaches_now)
    .bind(new.sessions_go_on)
    .execute(control)
    .await?;
    Ok(())
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

/// The latest time until which a user's access tokens were revoked, or its sessions, too.
pub(super) async fn revoked_until(
    control: &mut PgConnection,
    (realm, user): (TenantId, Uuid),
    sessions: bool,
) -> Result<Option<OffsetDateTime>, DbError> {
    Ok(sqlx::query_scalar(
        "select max(issued_until) from control.token_revocations
         where jti is null and (tenant_id is null or tenant_id = $1) and (user_id is null or user_id = $2)
           and not ($3 and sessions_go_on)",
    )
    .bind(realm)
    .bind(user)
    .bind(sessions)
    .fetch_one(control)
    .await?)
}

/// How many recorded tokens a revocation takes back.
pub(super) async fn count_hit(control: &mut PgConnection, new: NewRevocation) -> Result<i64, DbError> {
    Ok(sqlx::query_scalar(
        "select count(*) from control.issued_tokens
         where expires_at > now() and ($1::uuid is null or jti = $1)
           and ($2::uuid is null or tenant_id = $2) and ($3::uuid is null or user_id = $3)
           and ($4::timestamptz is null or date_trunc('second', issued_at) <= $4)",
    )
    .bind(new.jti)
    .bind(new.tenant)
    .bind(new.user)
    .bind(new.until)
    .fetch_one(control)
    .await?)
}
