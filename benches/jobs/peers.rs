//! Other queues, with the same job that does nothing, on the same server (`scripts/queue-peers`).

use std::path::Path;
use std::process::{Command, Stdio};

use nexus::infra::db::Host;
use nexus::kernel::ExposeSecret;
use serde_json::{Map, Value, json};

use super::{Bench, Failure, Scale, quantile, rate, round};

/// Each with how many times its rate ours has to be.
const PEERS: [(&str, Option<f64>); 4] = [
    ("graphile-worker", Some(1.0)),
    ("pg-boss", Some(5.0)),
    ("procrastinate", Some(5.0)),
    // For comparison: it claims batches as we do, and its handler takes them whole.
    ("pg-boss-tuned", None),
];

pub(super) async fn measure(bench: &Bench, scale: Scale) -> Result<Value, Failure> {
    let mut report = Map::new();
    rate::nexus(bench, scale.jobs / 10).await?;
    for (peer, goal) in PEERS {
        let (mut ours, mut theirs) = (Vec::new(), Vec::new());
        for _ in 0..scale.rounds {
            for is_ours in [true, false, false, true] {
                if is_ours {
                    ours.push(rate::nexus(bench, scale.jobs).await?);
                } else {
                    theirs.push(run(bench, peer, scale.jobs / 10).await?);
                }
            }
        }
        let (ours, theirs) = (quantile(&mut ours, 0.5), quantile(&mut theirs, 0.5));
        report.insert(
            peer.to_owned(),
            json!({ "nexus": ours.round(), "peer": theirs.round(), "times": round(ours / theirs), "goal": goal }),
        );
    }
    Ok(Value::Object(report))
}

/// Jobs per second of one process of a peer, in a database of its own.
async fn run(bench: &Bench, peer: &str, jobs: usize) -> Result<f64, Failure> {
    let mut admin = bench.stack.admin.connect("bench").await?;
    for statement in ["drop database if exists peer with (force)", "create database peer"] {
        sqlx::raw_sql(statement).execute(&mut admin).await?;
    }
    let Host::Socket(folder) = &bench.stack.admin.host else { return Err("no socket".into()) };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/queue-peers");
    let mut command = Command::new(script);
    command.arg(peer).env("PGHOST", folder).env("PGPORT", bench.stack.admin.port.to_string());
    command.env("PGUSER", &bench.stack.admin.user).env("PGDATABASE", "peer").env("JOBS", jobs.to_string());
    command.env("PGPASSWORD", bench.stack.admin.password.expose_secret()).stderr(Stdio::inherit());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    let rate = String::from_utf8(output.stdout)?;
    rate.trim().parse().map_err(|_| format!("{peer} said {rate:?}").into())
}
