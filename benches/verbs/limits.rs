//! What one tenant's login can do to the others' commands: it tries to use up what tenants share,
//! as hard as one program can, while commands for other tenants run; against the same commands
//! without it, by turns. See `docs/limits.md` for what bounds each, and what nothing bounds, e.g.
//! the time of processors: `--sessions N` shows that.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::postgres::{PgConnectOptions, PgSslMode};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};
use tokio::task::JoinSet;

use super::stack::{Stack, USER, this_program};
use super::{Arguments, Failure, median, ms};

/// How many times as long a command may take.
const GOAL: f64 = 2.0;
/// Sessions that a login is allowed (`tenants.connection_limit`).
const SESSIONS: usize = 20;

#[derive(Clone, Copy)]
enum Attack {
    Locks,
    Files,
    Sessions,
    Prepared,
}

const ATTACKS: [(&str, Attack); 4] = [
    ("locks", Attack::Locks),
    ("temporary files", Attack::Files),
    ("sessions", Attack::Sessions),
    ("prepared transactions", Attack::Prepared),
];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let stack = Stack::start(&this_program(), "l")?;
    stack.create_with_user(&[], "ash")?;
    stack.create_with_user(&[], "birch")?;
    let bench = Bench { login: Login::of(&stack, "ash")?, stack };
    let (runs, sessions) = (arguments.number("--runs", 11), arguments.number("--sessions", 1));
    let report = bench.measure(runs, sessions)?;
    if arguments.is_json() {
        println!("{report:#}");
        return Ok(());
    }
    println!("medians of {runs} runs, in ms; {sessions} greedy session(s); goal: a ratio <= {GOAL}\n");
    println!(
        "{:<24} {:<16} {:>8} {:>8} {:>7}   tries, refused or ended",
        "one login wants all", "command", "alone", "beside", "ratio"
    );
    for row in report["rows"].as_array().into_iter().flatten() {
        let number = |key: &str| row[key].as_f64().unwrap_or_default();
        println!(
            "{:<24} {:<16} {:>8.1} {:>8.1} {:>7.2}   {}, {}",
            row["attack"].as_str().unwrap_or_default(),
            row["command"].as_str().unwrap_or_default(),
            number("alone_ms"),
            number("beside_ms"),
            number("ratio"),
            row["tries"],
            row["refused"],
        );
    }
    Ok(())
}

struct Bench {
    stack: Stack,
    login: Login,
}

impl Bench {
    fn measure(&self, runs: usize, sessions: usize) -> Result<Value, Failure> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut rows = Vec::new();
        let mut number = 0;
        for (name, attack) in ATTACKS {
            let mut times: BTreeMap<&str, [Vec<f64>; 2]> = BTreeMap::new();
            let count = Arc::<Count>::default();
            for _ in 0..runs {
                for beside in [false, true] {
                    number += 1;
                    let stop = Arc::<AtomicBool>::default();
                    let greedy = beside.then(|| {
                        let (login, stop, count) =
                            (self.login.clone(), Arc::clone(&stop), Arc::clone(&count));
                        runtime.spawn(attack_all(attack, login, sessions, stop, count))
                    });
                    if beside {
                        // Until it has got hold of something.
                        std::thread::sleep(Duration::from_millis(300));
                    }
                    let slug = format!("other-{number}");
                    let timed = self.commands(&slug);
                    stop.store(true, Ordering::SeqCst);
                    if let Some(greedy) = greedy {
                        runtime.block_on(greedy)?;
                    }
                    for (command, time) in timed? {
                        times.entry(command).or_default()[usize::from(beside)].push(time);
                    }
                    self.stack.output(&[
                        "tenant",
                        "delete",
                        &slug,
                        "--purge",
                        "--yes",
                        "--confirm",
                        &slug,
                    ])?;
                }
            }
            let (tries, refused) = (count.tries.load(Ordering::SeqCst), count.refused.load(Ordering::SeqCst));
            for (command, [alone, beside]) in &times {
                let (alone, beside) = (median(alone), median(beside));
                rows.push(json!({
                    "attack": name, "command": command, "alone_ms": alone, "beside_ms": beside,
                    "ratio": beside / alone, "tries": tries, "refused": refused,
                }));
            }
        }
        Ok(json!({ "runs": runs, "sessions": sessions, "goal": GOAL, "rows": rows }))
    }

    fn commands(&self, slug: &str) -> Result<Vec<(&'static str, f64)>, Failure> {
        let mut times = Vec::new();
        for (name, args) in [
            ("tenant create", &["tenant", "create", slug][..]),
            ("tenant suspend", &["tenant", "suspend", slug, "--reason", "unpaid"]),
            ("tenant resume", &["tenant", "resume", slug]),
            ("token mint", &["token", "mint", "--tenant", "birch", "--user", USER]),
            ("tenant list", &["tenant", "list"]),
        ] {
            times.push((name, ms(self.stack.time(args)?)));
        }
        Ok(times)
    }
}

/// How often something was tried, and how often the server would not.
#[derive(Default)]
struct Count {
    tries: AtomicUsize,
    refused: AtomicUsize,
}

/// A tenant's own credentials.
#[derive(Clone)]
struct Login {
    folder: PathBuf,
    user: String,
    password: String,
    database: String,
}

impl Login {
    fn of(stack: &Stack, slug: &str) -> Result<Self, Failure> {
        let env = stack.output(&["tenant", "env", slug, "--format", "json", "--reveal"])?;
        let env: Value = serde_json::from_slice(&env)?;
        let text = |name: &str| env[name].as_str().unwrap_or_default().to_owned();
        let folder = stack.socket.parent().ok_or("no folder")?.to_owned();
        Ok(Self { folder, user: text("PGUSER"), password: text("PGPASSWORD"), database: text("PGDATABASE") })
    }

    async fn open(&self) -> Result<PgConnection, sqlx::Error> {
        let options = PgConnectOptions::new_without_pgpass()
            .socket(&self.folder)
            .username(&self.user)
            .password(&self.password)
            .database(&self.database)
            .ssl_mode(PgSslMode::Disable)
            .disable_statement_logging();
        options.connect().await
    }
}

/// Tries until it is stopped.
async fn attack_all(attack: Attack, login: Login, sessions: usize, stop: Arc<AtomicBool>, count: Arc<Count>) {
    let mut held = Vec::new();
    if matches!(attack, Attack::Sessions) {
        while let (true, Ok(session)) = (held.len() < SESSIONS, login.open().await) {
            held.push(session);
        }
    }
    let mut greedy = JoinSet::new();
    for _ in 0..sessions {
        let (login, stop, count) = (login.clone(), Arc::clone(&stop), Arc::clone(&count));
        greedy.spawn(async move {
            while !stop.load(Ordering::SeqCst) {
                count.tries.fetch_add(1, Ordering::SeqCst);
                if once(attack, &login, &stop).await.is_err() {
                    count.refused.fetch_add(1, Ordering::SeqCst);
                }
            }
        });
    }
    while greedy.join_next().await.is_some() {}
    for session in held {
        let _ = session.close().await;
    }
}

/// One try in a session of its own.
async fn once(attack: Attack, login: &Login, stop: &AtomicBool) -> Result<(), sqlx::Error> {
    let mut session = login.open().await?;
    let text = match attack {
        Attack::Locks => return take_locks(&mut session, stop).await,
        // Nearly what one session may have, which is 512 MB; then it is let go of.
        Attack::Files => {
            "set work_mem to '64kB'; set statement_timeout to '5s';
             select count(*) from (select repeat('x', 1000) || i as a
                                   from generate_series(1, 1000000) as i order by 1) as sorted"
        }
        Attack::Sessions => "select 1",
        Attack::Prepared => "begin; prepare transaction 'mine'",
    };
    sqlx::raw_sql(text).execute(&mut session).await?;
    session.close().await
}

/// Each savepoint that writes holds an entry of the server's table of locks until the end.
async fn take_locks(session: &mut PgConnection, stop: &AtomicBool) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("begin").execute(&mut *session).await?;
    let mut number = 0;
    while !stop.load(Ordering::SeqCst) {
        let mut text = String::new();
        for _ in 0..500 {
            number += 1;
            // A String takes whatever it is given.
            let _ = write!(
                text,
                "savepoint s{number}; insert into nexus.settings (key, value) values ('k{number}', '1');"
            );
        }
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *session).await?;
    }
    Ok(())
}
