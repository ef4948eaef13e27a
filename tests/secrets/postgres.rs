//! A real PostgreSQL for these tests: the one that `NEXUS_TEST_POSTGRES` names (a superuser's
//! URL), or a private one that lives as long as this process.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::OnceLock;

use futures_util::FutureExt;
use nexus::infra::db::{Host, PgConnection, ServerAddress, Tls};
use nexus::kernel::SecretString;
use sqlx::AssertSqlSafe;

const MIGRATION: &str = include_str!("../../migrations/20261121000200_secrets.sql");

/// What an earlier migration makes, as far as these tables lean on it.
const GROUND: &str = "create schema control; create table control.tenants (id uuid primary key);";

/// Makes a cluster, starts it, says so, and takes everything away at the end of its input: when
/// the process that holds the other end is gone, however it went.
const KEEPER: &str = r#"
    trap '' INT
    set -eu
    as_server() { if [ "$(id -u)" = 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi; }
    cd "$1"
    if [ "$(id -u)" = 0 ]; then chown postgres . password; fi
    as_server "$2/initdb" -D data -U postgres -A scram-sha-256 --pwfile=password --no-sync >initdb.log 2>&1
    as_server "$2/pg_ctl" -D data -l server.log -w -s -o "-k '$1' -c listen_addresses='' -c fsync=off" start
    echo ready
    read -r _ || true
    as_server "$2/pg_ctl" -D data -m immediate -s stop
    cd / && rm -rf "$1"
"#;

/// A database of its own, with a connection to it.
pub(crate) struct World {
    pub(crate) server: ServerAddress,
    pub(crate) conn: PgConnection,
}

impl World {
    pub(crate) async fn connect(&self) -> PgConnection {
        self.server.connect("test").await.unwrap()
    }
}

/// Runs a test in a new database that holds the tables of the secrets, and drops it afterwards.
pub(crate) async fn with_database(test: impl AsyncFnOnce(&mut World)) {
    let server = server();
    let name = format!("nexus_test_{}", uuid::Uuid::new_v4().simple());
    let mut admin = server.connect("test").await.unwrap();
    run(&mut admin, format!("create database {name}")).await;
    let server = server.database(&name);
    let mut world = World { conn: server.connect("test").await.unwrap(), server };
    run(&mut world.conn, GROUND.to_owned()).await;
    run(&mut world.conn, MIGRATION.to_owned()).await;
    let outcome = AssertUnwindSafe(test(&mut world)).catch_unwind().await;
    world.conn.close().await.unwrap();
    run(&mut admin, format!("drop database {name} with (force)")).await;
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

/// Runs statements that no user typed.
pub(crate) async fn run(conn: &mut PgConnection, sql: String) {
    sqlx::raw_sql(AssertSqlSafe(sql)).execute(conn).await.unwrap();
}

/// How to reach the server as its superuser.
fn server() -> &'static ServerAddress {
    static SERVER: OnceLock<(ServerAddress, Option<(Child, ChildStdin)>)> = OnceLock::new();
    let (server, _keeper) = SERVER.get_or_init(|| match std::env::var("NEXUS_TEST_POSTGRES") {
        Ok(url) => (ServerAddress::from_url(&SecretString::from(url)).unwrap(), None),
        Err(_) => start(),
    });
    server
}

fn start() -> (ServerAddress, Option<(Child, ChildStdin)>) {
    let password = uuid::Uuid::new_v4().simple().to_string();
    let folder = tempfile::Builder::new().prefix("nexus-pg-").tempdir().unwrap().keep();
    fs::File::create(folder.join("password")).unwrap().write_all(password.as_bytes()).unwrap();
    let mut keeper = Command::new("sh")
        .args(["-c", KEEPER, "keeper"])
        .arg(&folder)
        .arg(binaries())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(keeper.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line.trim(), "ready", "PostgreSQL did not start; see {}", folder.display());
    let server = ServerAddress {
        host: Host::Socket(folder),
        port: 5432,
        user: "postgres".to_owned(),
        password: SecretString::from(password),
        database: "postgres".to_owned(),
        tls: Tls::Disable,
    };
    let stdin = keeper.stdin.take().unwrap();
    (server, Some((keeper, stdin)))
}

/// The newest server's programs: in the distributions' folder, or where `pg_config` says.
fn binaries() -> PathBuf {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let entry = entry.ok()?;
            Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin")))
        })
        .filter(|(_, folder)| folder.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().map_or_else(
        || {
            let told =
                Command::new("pg_config").arg("--bindir").output().expect("no PostgreSQL server programs");
            PathBuf::from(String::from_utf8(told.stdout).unwrap().trim())
        },
        |(_, folder)| folder,
    )
}
