//! The SQL of claims.
//!
//! States are written out, and each claim is planned anew: see the other statements of jobs.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::super::model::{ClaimRequest, ClaimedJob};
use super::super::store::LEASE;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// The jobs whose turn it is, of all kinds and tenants.
const FIRST: &str = "first as (
    select id, ctid as place, tenant_id, kind, priority, fair_seq, asked_again from control.jobs
    where state = 'ready' and kind = any($3)
    order by priority, fair_seq, id limit $2 for update skip locked)";

/// The same where some are not wanted: among so many at the front, so that a claim never reads past the whole queue of a
/// tenant or kind that has no room.
const FIRST_OF_FRONT: &str = "front as (
    select id, tenant_id, kind, priority, fair_seq from control.jobs
    where state = 'ready' order by priority, fair_seq, id limit 500
), candidates as (
    select id from front where {WANTED} order by priority, fair_seq, id limit $2
), {LOCKED}";

/// The same where none of those at the front is wanted: the first ones of each tenant, found from one tenant to the next
/// by the index (PostgreSQL's wiki, \"Loose indexscan\").
const FIRST_OF_EACH: &str = "recursive waiting as (
    (select tenant_id from control.jobs where state = 'ready' order by tenant_id limit 1)
    union all
    select (select jobs.tenant_id from control.jobs
            where state = 'ready' and jobs.tenant_id > waiting.tenant_id order by jobs.tenant_id limit 1)
    from waiting where tenant_id is not null
), front as (
    select job.* from waiting cross join lateral (
        select id, jobs.tenant_id, kind, priority, fair_seq from control.jobs
        where state = 'ready' and jobs.tenant_id = waiting.tenant_id order by priority, fair_seq limit 20) as job
    where waiting.tenant_id is not null and waiting.tenant_id <> all($10::uuid[])
), candidates as (
    select id from front where {WANTED} order by priority, fair_seq, id limit $2
), {LOCKED}";

/// Of which there is room.
const WANTED: &str = "kind = any($3) and tenant_id <> all($10::uuid[])
    and not exists (select from unnest($11::uuid[], $12::text[]) as full_at (tenant_id, kind)
                    where full_at.tenant_id = front.tenant_id and full_at.kind = front.kind)";

const LOCKED: &str = "first as (
    select jobs.id, jobs.ctid as place, tenant_id, kind, priority, fair_seq, asked_again
    from control.jobs join candidates on candidates.id = jobs.id
    where state = 'ready' order by priority, fair_seq, id for update of jobs skip locked)";

/// Takes the jobs whose turn it is, as far as there is room for them. They are locked by the same statement, so that their
/// places stay what they are.
pub(in super::super) async fn claim(
    control: &mut PgConnection,
    owner: Uuid,
    wanted: &ClaimRequest<'_>,
    (full, from): (&Full, Front),
) -> Result<Vec<ClaimedJob>, DbError> {
    let kinds: Vec<&str> = wanted.kinds.iter().map(|(kind, _)| *kind).collect();
    let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
    let more: Vec<i64> = wanted.kinds.iter().map(|(_, room)| number(room.more)).collect();
    let of_tenant: Vec<i64> = wanted.kinds.iter().map(|(_, room)| number(room.of_tenant)).collect();
    let tenants: Vec<Uuid> = wanted.held.iter().map(|it| it.0.uuid()).collect();
    let held_kinds: Vec<&str> = wanted.held.iter().map(|it| it.1.as_str()).collect();
    let counts: Vec<i64> = wanted.held.iter().map(|it| number(it.2)).collect();
    let (full_tenants, full_kinds): (Vec<Uuid>, Vec<&str>) =
        full.pairs.iter().map(|(tenant, kind)| (tenant.uuid(), kind.as_str())).unzip();
    Ok(sqlx::query_as(AssertSqlSafe(claim_text(from)))
        .persistent(false)
        .bind(owner)
        .bind(number(wanted.most))
        .bind(kinds)
        .bind(more)
        .bind(of_tenant)
        .bind(number(wanted.of_tenant))
        .bind(tenants)
        .bind(held_kinds)
        .bind(counts)
        .bind(full.tenants.iter().map(|id| id.uuid()).collect::<Vec<_>>())
        .bind(full_tenants)
        .bind(full_kinds)
        .fetch_all(control)
        .await?)
}

fn claim_text(from: Front) -> String {
    let first = match from {
        Front::All => FIRST,
        Front::First => FIRST_OF_FRONT,
        Front::Each => FIRST_OF_EACH,
    };
    let first = first.replace("{WANTED}", WANTED).replace("{LOCKED}", LOCKED);
    let order = "order by priority, fair_seq, id";
    format!(
        "with {first}, held as (
             select * from unnest($7::uuid[], $8::text[], $9::bigint[]) as held (tenant_id, kind, jobs)
         ), numbered as (
             select place, tenant_id, kind, asked_again,
                    row_number() over (partition by kind {order}) as of_kind,
                    row_number() over (partition by tenant_id {order})
                        + coalesce((select sum(jobs) from held where held.tenant_id = first.tenant_id), 0) as of_tenant,
                    row_number() over (partition by tenant_id, kind {order})
                        + coalesce((select sum(jobs) from held
                                    where held.tenant_id = first.tenant_id and held.kind = first.kind), 0) as of_both
             from first
         ), chosen as (
             select place, asked_again from numbered
             join unnest($3::text[], $4::bigint[], $5::bigint[]) as wanted (kind, more, most) using (kind)
             where of_kind <= more and of_tenant <= $6 and of_both <= most
                   and ($10::uuid[], $11::uuid[], $12::text[]) is not null
         )
         update control.jobs
         set state = 'running', fair_seq = null, due_at = {LEASE}, lease_owner = $1, fence = fence + 1,
             attempts = attempts + 1, asked_again = false, updated_at = now()
         from chosen where jobs.ctid = chosen.place
         returning jobs.id, kind, tenant_id, payload, attempts, fence, chosen.asked_again"
    )
}

/// Where a claim looks.
#[derive(Debug, Clone, Copy)]
pub(in super::super) enum Front {
    All,
    First,
    Each,
}

/// Of whom there is no room for any more.
#[derive(Debug, Default)]
pub(in super::super) struct Full {
    pub(in super::super) tenants: Vec<TenantId>,
    pub(in super::super) pairs: Vec<(TenantId, String)>,
}
