//! How many jobs a second, and how long it takes to write one.

use std::time::{Duration, Instant};

use nexus::features::jobs::{self, NewJob};
use nexus::infra::db::{PgConnection, transaction};
use nexus::kernel::{Caller, TenantId};
use nexus::worker;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;

use super::{Bench, Failure, NOTHING, Scale, fill, per_second, quantile, registry, round, tenants};

/// Sessions that claim at the same time in plain SQL.
const CLIENTS: usize = 4;

/// A queue in plain SQL: what claims cannot do without.
const FLOOR: &str = "
    drop schema if exists bench cascade; create schema bench;
    create table bench.jobs (id uuid primary key default gen_random_uuid(), kind text not null default 'x',
        priority smallint not null default 5, payload jsonb not null default '{}', state text not null default 'ready',
        due_at timestamptz, owner uuid, fence bigint not null default 0) with (fillfactor = 70);
    create index on bench.jobs (priority, id) where state = 'ready';";

pub(super) async fn rate(bench: &Bench, scale: Scale) -> Result<Value, Failure> {
    let (mut floors, mut claims, mut rates) = (Vec::new(), Vec::new(), Vec::new());
    // So that nothing is planned or loaded for the first time.
    nexus(bench, scale.jobs / 10).await?;
    for _ in 0..scale.rounds {
        for is_floor in [true, false, false, true] {
            if is_floor {
                claims.push(floor(bench, scale.jobs, false).await?);
                floors.push(floor(bench, scale.jobs, true).await?);
            } else {
                rates.push(nexus(bench, scale.jobs).await?);
            }
        }
    }
    let (floor, claim) = (quantile(&mut floors, 0.5), quantile(&mut claims, 0.5));
    let rate = quantile(&mut rates, 0.5);
    Ok(json!({
        "jobs": scale.jobs, "jobs_per_second": rate.round(),
        "floor_claims_of_50_and_deletes_per_second": floor.round(), "of_floor": round(rate / floor),
        "floor_claims_of_50_alone_per_second": claim.round(), "of_claims_alone": round(rate / claim),
        "goal_of_floor": 0.5,
    }))
}

/// One process that runs jobs which do nothing, of 50 tenants.
pub(super) async fn nexus(bench: &Bench, count: usize) -> Result<f64, Failure> {
    let mut control = bench.session().await?;
    fill(&mut control, count, &tenants(50)).await?;
    sqlx::raw_sql("analyze control.jobs").execute(&mut control).await?;
    let stop = CancellationToken::new();
    let began = Instant::now();
    let running = tokio::spawn(worker::jobs::run(bench.app.clone(), registry(), stop.clone()));
    until_none(&mut control, "control.jobs", "state <> 'dead' and state <> 'scheduled'").await?;
    let rate = per_second(count, began.elapsed());
    stop.cancel();
    running.await?;
    Ok(rate)
}

pub(super) async fn until_none(control: &mut PgConnection, table: &str, which: &str) -> Result<(), Failure> {
    loop {
        let text = format!("select true from {table} where {which} limit 1");
        let left: Option<bool> =
            sqlx::query_scalar(AssertSqlSafe(text)).fetch_optional(&mut *control).await?;
        if left.is_none() {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

async fn floor(bench: &Bench, count: usize, deletes: bool) -> Result<f64, Failure> {
    let mut control = bench.session().await?;
    sqlx::raw_sql(FLOOR).execute(&mut control).await?;
    let text =
        format!("insert into bench.jobs (id) select gen_random_uuid() from generate_series(1, {count})");
    sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut control).await?;
    sqlx::raw_sql("analyze bench.jobs").execute(&mut control).await?;
    let mut clients = Vec::new();
    for _ in 0..CLIENTS {
        clients.push(bench.session().await?);
    }
    let began = Instant::now();
    let all = clients.into_iter().map(|client| tokio::spawn(claims(client, deletes)));
    for client in all.collect::<Vec<_>>() {
        client.await??;
    }
    Ok(per_second(count, began.elapsed()))
}

async fn claims(mut session: PgConnection, deletes: bool) -> Result<(), Failure> {
    loop {
        let claimed: Vec<uuid::Uuid> = sqlx::query_scalar(
            "update bench.jobs set state = 'running', due_at = now() + interval '30 seconds', fence = fence + 1
             where id in (select id from bench.jobs where state = 'ready' order by priority, id limit 50
                          for update skip locked) returning id",
        )
        .fetch_all(&mut session)
        .await?;
        if claimed.is_empty() {
            return Ok(());
        }
        if deletes {
            sqlx::query("delete from bench.jobs where id = any($1)")
                .bind(claimed)
                .execute(&mut session)
                .await?;
        }
    }
}

/// One job in one transaction, beside one row of the same table.
pub(super) async fn enqueue(bench: &Bench, scale: Scale) -> Result<Value, Failure> {
    let mut control = bench.session().await?;
    let count = scale.jobs / 10;
    let tenant = TenantId::new();
    let (mut bare, mut ours) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        for is_bare in [true, false, false, true] {
            let began = Instant::now();
            for _ in 0..count {
                if is_bare {
                    bare_insert(&mut control, tenant).await?;
                } else {
                    let mut tx = transaction(&mut control).await?;
                    let job = [NewJob::new(&NOTHING, &json!({}))];
                    let submitted = jobs::submit(&mut tx, &Caller::System, (tenant, &job)).await;
                    submitted.map_err(|it| it.to_string())?;
                    tx.commit().await?;
                }
            }
            let rate = per_second(count, began.elapsed());
            if is_bare { bare.push(rate) } else { ours.push(rate) }
        }
    }
    sqlx::query("delete from control.jobs where kind = 'bench.nothing'").execute(&mut control).await?;
    let (bare, ours) = (quantile(&mut bare, 0.5), quantile(&mut ours, 0.5));
    Ok(json!({
        "enqueues_per_second": ours.round(), "bare_inserts_per_second": bare.round(),
        "of_bare_insert": round(ours / bare), "goal": 0.8,
    }))
}

/// In a transaction, as a caller has one.
async fn bare_insert(control: &mut PgConnection, tenant: TenantId) -> Result<(), Failure> {
    let mut tx = transaction(control).await?;
    sqlx::query(
        "insert into control.jobs (id, kind, tenant_id, priority, payload, state, fair_seq, max_attempts)
         values ($1, $2, $3, 5, $4, 'ready', $5, 3)",
    )
    .bind(uuid::Uuid::now_v7())
    .bind(NOTHING.name)
    .bind(tenant)
    .bind(json!({}))
    .bind(1_i64)
    .execute(&mut *tx)
    .await?;
    Ok(tx.commit().await?)
}
