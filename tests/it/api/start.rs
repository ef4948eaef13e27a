//! A server and its databases: which of them may be down when it starts, and what it says meanwhile.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PASSWORD, acme};
use crate::support::api::ApiServer;
use crate::support::pg_proxy::{Operation, PgProxy};
use crate::support::world::World;

/// A socket's folder in which PostgreSQL's socket appears when it is told to.
struct Absent {
    folder: PathBuf,
    port: String,
}

impl Absent {
    fn new(world: &World) -> Self {
        let folder = PathBuf::from(format!("/tmp/nxa-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]));
        fs::create_dir(&folder).unwrap();
        Self { folder, port: world.stack().port.clone() }
    }

    fn settings(&self, world: &World) -> String {
        world.elsewhere(&self.folder.display().to_string(), &self.port)
    }

    /// The server comes up.
    fn appear(&self, world: &World) {
        let name = format!(".s.PGSQL.{}", self.port);
        symlink(Path::new(&world.stack().socket_dir).join(&name), self.folder.join(&name)).unwrap();
    }
}

impl Drop for Absent {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `nexus serve` with a settings file of its own; its standard error goes to the file `said`.
pub fn serve(world: &World, settings: &str, more: &[&str]) -> Command {
    let args = ["-o", "id", "--config", settings, "--context", "t", "serve", "--bind", "127.0.0.1:0"];
    let args: Vec<&str> = args.iter().chain(more).copied().collect();
    let mut command = world.command(&args);
    command.stderr(fs::File::create(world.machine().path("said")).unwrap());
    command
}

pub fn said(world: &World) -> String {
    fs::read_to_string(world.machine().path("said")).unwrap()
}

#[test]
fn a_server_starts_while_its_control_database_is_down_and_becomes_ready_by_itself() {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let absent = Absent::new(&world);
    let settings = absent.settings(&world);
    let server = ApiServer::of(serve(&world, &settings, &[]));

    assert_eq!(server.send("GET", "/health", &[], &[]).ok()["status"], "ok");
    let ready = server.send("GET", "/ready", &[], &[]);
    assert_eq!((ready.status, ready.header("retry-after")), (503, Some("1")));
    let expected = json!({
        "ready": false, "control_database": false, "stopping": false, "code": "database_unreachable",
        "reason": "the control database does not answer", "servers": [], "events": null
    });
    assert_eq!(ready.json(), expected);
    let login = json!({ "email": "ann@acme.example", "password": PASSWORD });
    for answer in [
        server.get("/users", "x"),
        server.send("GET", "/openapi.json", &[], &[]),
        server.send_json("POST", "/auth/login", &["X-Tenant-ID: acme"], &login),
    ] {
        assert_eq!(answer.problem(), (503, "not_ready".to_owned()));
        assert!((1..=4).contains(&answer.retry_after()), "{answer:?}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert!(!answer.body.contains(&*absent.folder.to_string_lossy()), "{answer:?}");
    }
    let said_so_far = said(&world);
    assert!(said_so_far.contains("does not answer"), "{said_so_far}");

    absent.appear(&world);
    assert_eq!(server.until("/ready", |answer| answer.status == 200).json()["ready"], true);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    assert_eq!(server.get("/users", &token).status, 200);
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn that_the_control_database_is_down_is_logged_once_and_its_end_too() {
    let world = World::new();
    let absent = Absent::new(&world);
    absent.appear(&world);
    let server = ApiServer::of(serve(&world, &absent.settings(&world), &[]));
    let ready = |wanted: u16| server.until("/ready", |answer| answer.status == wanted);
    ready(200);
    let name = absent.folder.join(format!(".s.PGSQL.{}", absent.port));
    fs::remove_file(name).unwrap();
    world.sql(
        "postgres",
        &format!(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity where datname = '{}'",
            world.control
        ),
    );
    // Two seconds: it was asked some five times.
    ready(503);
    absent.appear(&world);
    let began = Instant::now();
    while !said(&world).contains("is read again") {
        assert!(began.elapsed() < Duration::from_secs(30), "{}", said(&world));
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = said(&world);
    let count = |words: &str| said.lines().filter(|line| line.contains(words)).count();
    assert_eq!((count("cannot read what has changed"), count("is read again")), (1, 1), "{said}");
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_server_that_waits_is_stopped_like_any_other() {
    let world = World::new();
    let absent = Absent::new(&world);
    let server = ApiServer::of(serve(&world, &absent.settings(&world), &[]));
    assert_eq!(server.stop().0, Some(0));
}

#[test]
fn a_check_fails_while_the_control_database_is_down() {
    let world = World::new();
    let absent = Absent::new(&world);
    let settings = absent.settings(&world);
    let (code, error) = world.error(&["--config", &settings, "--context", "t", "serve", "--check"]);
    assert_eq!((code, &error["code"]), (8, &json!("database_unreachable")));
}

#[test]
fn what_waiting_does_not_help_against_is_refused_at_once() {
    let world = World::new();
    let absent = Absent::new(&world);
    let settings = absent.settings(&world);
    let refused = |args: &[&str]| {
        let args: Vec<&str> = ["--context", "t"].iter().chain(args).copied().collect();
        let (code, error) = world.error(&args);
        (code, error["code"].as_str().unwrap().to_owned())
    };
    // A login that the server refuses.
    let text = fs::read_to_string(world.machine().path("work/nexus.toml")).unwrap();
    let wrong = world.file("work/wrong.toml", &text.replace("user = \"nexus\"", "user = \"nobody_at_all\""));
    assert_eq!(refused(&["--config", &wrong, "serve"]), (8, "database_login_refused".to_owned()));
    // A database that is not one of Nexus.
    let other = world.file("work/other.toml", &text.replace(&world.control, "postgres"));
    assert_eq!(refused(&["--config", &other, "serve"]), (8, "not_initialised".to_owned()));
    // A key that is not there, whether the database answers or not.
    let key = fs::canonicalize(world.machine().path("nexus/keys/t.key")).unwrap();
    fs::rename(&key, key.with_extension("away")).unwrap();
    assert_eq!(refused(&["--config", &settings, "serve"]), (9, "master_key_missing".to_owned()));
    assert_eq!(refused(&["serve"]), (9, "master_key_missing".to_owned()));
}

/// Takes the last migration of the control database for not applied.
fn set_back(world: &World) {
    world.control_sql(
        "delete from control._sqlx_migrations
         where version = (select max(version) from control._sqlx_migrations)",
    );
}

#[test]
fn a_control_database_that_is_behind_is_refused_with_what_to_type() {
    let world = World::new();
    set_back(&world);
    let (code, error) = world.error(&["serve", "--bind", "127.0.0.1:0"]);
    assert_eq!((code, &error["code"]), (8, &json!("control_behind")));
    assert!(error["hint"].to_string().contains("nexus init"), "{error}");
}

#[test]
fn a_control_database_that_turns_out_to_be_behind_ends_the_server_with_the_same_words() {
    let world = World::new();
    set_back(&world);
    let absent = Absent::new(&world);
    let server = ApiServer::of(serve(&world, &absent.settings(&world), &[]));
    assert_eq!(server.send("GET", "/ready", &[], &[]).status, 503);
    absent.appear(&world);
    assert_eq!(server.wait(), Some(8));
    let said = said(&world);
    assert!(said.contains("the control database is at version") && said.contains(" init\n"), "{said}");
}

/// What a server knows of the server of tenants.
fn default_server(ready: &Value) -> Value {
    let servers = ready["servers"].as_array().unwrap();
    servers.iter().find(|server| server["name"] == "default").cloned().unwrap_or_default()
}

/// Settings by which tenants' databases are behind a proxy, and the control database is not.
fn cluster_behind(world: &World, proxy: &PgProxy) -> String {
    let text = fs::read_to_string(world.machine().path("work/nexus.toml")).unwrap();
    let cluster = format!(
        "[context.t.cluster]\nhost = \"{}\"\nport = {}\nuser = \"nexus\"\n\
         password = \"file:{}/local/postgres.password\"\n",
        proxy.socket_dir,
        proxy.port,
        world.stack().home.display()
    );
    world.file("work/apart.toml", &format!("{text}{cluster}"))
}

#[test]
fn a_tenants_server_that_is_down_is_named_and_takes_nothing_else_down() {
    let (world, _) = acme();
    let proxy = PgProxy::before(world.stack());
    let settings = cluster_behind(&world, &proxy);
    let server = ApiServer::of(serve(&world, &settings, &[]));
    let up = json!({ "name": "default", "state": "up", "code": null });
    server.until("/ready", |answer| default_server(&answer.json()) == up);
    // One session does for all the asking, and it is in no tenant's database.
    let logins = proxy.points().into_iter().filter(|point| point.asks == "login");
    assert_eq!(logins.map(|point| point.database).collect::<Vec<_>>(), ["postgres"]);

    proxy.every(Operation::Cut);
    let down = json!({ "name": "default", "state": "down", "code": "database_unreachable" });
    let answer = server.until("/ready", |answer| default_server(&answer.json()) == down);
    assert_eq!((answer.status, &answer.json()["ready"]), (200, &json!(true)));
    assert!(!answer.body.contains(&proxy.socket_dir), "{answer:?}");
    assert!(said(&world).contains("a server is down"), "{}", said(&world));

    proxy.go_on();
    server.until("/ready", |answer| default_server(&answer.json()) == up);
}

#[test]
fn requests_for_tenants_on_a_server_that_is_silent_fail_at_once_and_others_are_answered() {
    let (world, _) = acme();
    let proxy = PgProxy::before(world.stack());
    let settings = cluster_behind(&world, &proxy);
    let server = ApiServer::of(serve(&world, &settings, &[]));
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    assert_eq!(server.get("/users", &token).status, 200);

    // Nothing passes any more, and nothing is refused: each connection would be waited for.
    proxy.every(Operation::Freeze);
    server.until("/ready", |answer| default_server(&answer.json())["state"] == "down");
    let end = Instant::now() + Duration::from_mins(1);
    let mut last = Instant::now();
    let mut in_a_row = 0;
    // Once it is known, a hundred are refused in the time in which none would have been.
    while in_a_row < 100 {
        let answer = server.get("/users", &token);
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!((1..=4).contains(&answer.retry_after()), "{answer:?}");
        in_a_row = if last.elapsed() < Duration::from_secs(1) { in_a_row + 1 } else { 0 };
        last = Instant::now();
        assert!(last < end, "{answer:?}");
    }
    assert_eq!(server.send("GET", "/ready", &[], &[]).status, 200);
    // The platform's own realm is on another server.
    let login = server.login(None, "nobody@example.com", PASSWORD);
    assert_eq!(login.problem(), (401, "sign_in_refused".to_owned()));

    proxy.go_on();
    server.until("/ready", |answer| default_server(&answer.json())["state"] == "up");
    assert_eq!(server.get("/users", &token).status, 200);
}

#[test]
fn several_processes_share_a_port_where_all_say_so() {
    let world = World::new();
    let start = |bind: &str, more: &[&str]| {
        let args: Vec<&str> = ["-o", "id", "serve", "--bind", bind].iter().chain(more).copied().collect();
        ApiServer::of(world.command(&args))
    };
    let first = start("127.0.0.1:0", &["--share-port"]);
    let address = first.address.clone();
    let second = start(&address, &["--share-port"]);
    assert_eq!(second.address, address);
    let (code, error) = world.error(&["serve", "--bind", &address]);
    assert_eq!((code, &error["code"]), (8, &json!("address_unavailable")));
    // Whichever is asked answers, also once the other is gone.
    assert_eq!(first.stop().0, Some(0));
    for _ in 0..8 {
        assert_eq!(second.send("GET", "/health", &[], &[]).status, 200);
    }
}
