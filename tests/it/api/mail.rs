//! Messages: asked for in the transaction of a change, and written as files by a server that has a mailbox.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PASSWORD, acme};
use crate::support::api::{Answer, ApiServer};
use crate::support::world::World;

/// How long a message may take before a test says that it does not come.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Limits that these tests do not mean.
const UNLIMITED: [(&str, &str); 2] = [("messages_a_minute", "1000000"), ("passwords_a_minute", "1000000")];

/// A tenant `acme` whose administrator is Ann, and a server with a mailbox.
pub struct Post {
    pub world: World,
    pub server: ApiServer,
}

/// The folder of the mailbox.
fn folder(world: &World) -> PathBuf {
    world.machine().path("work/mail")
}

/// Gives the servers of an installation a mailbox.
fn with_mailbox(world: &World) {
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let folder = folder(world);
    let section = format!("[context.t.serve]\nmail_folder = \"{}\"\n", folder.display());
    std::fs::write(&file, format!("{settings}{section}app_url = \"https://{{tenant}}.app.example\"\n"))
        .unwrap();
}

impl Post {
    pub fn new() -> Self {
        let world = World::new();
        world.tenant_of("acme", "ann@acme.example", PASSWORD);
        with_mailbox(&world);
        let server = Self::serve(&world);
        Self { world, server }
    }

    /// One more server.
    pub fn serve(world: &World) -> ApiServer {
        ApiServer::start_with(world, &UNLIMITED)
    }

    /// Says who may register.
    pub fn registration(&self, who: &str) {
        self.world.ok(&["iam", "set", "--registration", who, "--tenant", "acme"]);
    }

    /// Sends what somebody says who has not signed in.
    pub fn send(&self, path: &str, body: &Value) -> Answer {
        self.server.send_json("POST", path, &["X-Tenant-ID: acme"], body)
    }

    /// Rows of a statement in the tenant's database.
    pub fn sql(&self, statement: &str) -> Vec<String> {
        sql(&self.world, statement)
    }

    /// Forgets which messages were asked for.
    pub fn later(&self) {
        self.sql("delete from nexus.message_limits");
    }

    /// The messages, the oldest first, once there are so many.
    pub fn messages(&self, count: usize) -> Vec<String> {
        messages(&self.world, count)
    }

    /// The last of so many messages.
    pub fn last(&self, count: usize) -> String {
        self.messages(count).pop().unwrap()
    }

    /// No message is on its way.
    pub fn nothing_waits(&self) {
        let waiting = "select count(*) from nexus.outbox where published_at is null";
        let end = Instant::now() + TIMEOUT;
        while self.sql(waiting) != ["0"]
            || self.world.control_sql("select count(*) from control.jobs") != ["0"]
        {
            assert!(Instant::now() < end, "messages wait");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn sql(world: &World, statement: &str) -> Vec<String> {
    let name = "select database_name from control.tenants where slug = 'acme'";
    world.sql(&world.control_sql(name)[0], statement)
}

/// The files of messages, the oldest first.
fn files(world: &World) -> Vec<PathBuf> {
    let Ok(folder) = std::fs::read_dir(folder(world)) else { return Vec::new() };
    let paths = folder.map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = paths.filter(|path| path.extension().is_some_and(|end| end == "eml")).collect();
    files.sort();
    files
}

fn messages(world: &World, count: usize) -> Vec<String> {
    let end = Instant::now() + TIMEOUT;
    loop {
        let files = files(world);
        if files.len() >= count {
            assert_eq!(files.len(), count, "more messages than expected");
            return files.iter().map(|file| std::fs::read_to_string(file).unwrap()).collect();
        }
        assert!(Instant::now() < end, "{} of {count} messages", files.len());
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The token of a message.
pub fn token_of(message: &str) -> String {
    let link = message.split_whitespace().find(|word| word.starts_with("https://"));
    let link = link.unwrap_or_else(|| panic!("no link in {message}"));
    let (page, fragment) = link.split_once('#').unwrap();
    assert!(page.starts_with("https://acme.app.example/"), "{link}");
    let token = fragment.strip_prefix("tenant=acme&token=").unwrap();
    assert!(token.starts_with("nxi_") && token.len() == 47, "{link}");
    token.to_owned()
}

#[test]
fn an_invitation_waits_and_is_written_as_a_file_of_its_owner() {
    let (world, server) = acme();
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let bob = server.change("POST", "/users?invite=true", &ann, &json!({ "email": "bob@acme.example" })).ok();
    let many = json!({ "users": [{ "email": "cy@acme.example" }, { "email": "di@acme.example", "password": PASSWORD }] });
    server.change("POST", "/users/bulk?invite=true", &ann, &many).ok();
    let waiting =
        "select type, payload, actor like 'user:%' from nexus.outbox where type like 'mail.%' order by id";
    let rows = sql(&world, waiting);
    assert_eq!(rows.len(), 2, "{rows:?}");
    let id = bob["id"].as_str().unwrap();
    assert_eq!(rows[0], format!("mail.invitation|{{\"user\": \"{id}\"}}|t"));
    assert_eq!(sql(&world, "select count(*) from nexus.invitations"), ["0"], "no token is made before");
    drop(server);
    with_mailbox(&world);
    let post = Post { server: Post::serve(&world), world };
    let texts = post.messages(2);
    for file in files(&post.world) {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    }
    assert_eq!(folder(&post.world).metadata().unwrap().permissions().mode() & 0o777, 0o700);
    assert!(
        texts[0].contains("\r\nTo: bob@acme.example\r\nSubject: You are invited to acme\r\n"),
        "{texts:?}"
    );
    post.nothing_waits();
    let token = token_of(&texts[0]);
    let everything =
        post.sql("select t::text from nexus.outbox as t union all select t::text from nexus.audit_log as t");
    assert!(everything.iter().all(|row| !row.contains("nxi_") && !row.contains("bob@")), "{everything:?}");
    // Mail is opened by those who look for what is bad in it; they see no more than the page.
    for _ in 0..5 {
        assert_eq!(post.server.send("GET", "/invitation", &[], &[]).status, 404);
    }
    let accept = json!({ "token": token, "password": PASSWORD });
    assert_eq!(post.send("/auth/password", &accept).status, 204);
    assert_eq!(post.server.login(Some("acme"), "bob@acme.example", PASSWORD).status, 200);
    assert_eq!(post.send("/auth/password", &accept).problem(), (401, "token_invalid".to_owned()));
}

#[test]
fn an_invitation_that_is_sent_again_replaces_the_first() {
    let post = Post::new();
    let ann = post.server.token("acme", "ann@acme.example", PASSWORD);
    let bob =
        post.server.change("POST", "/users?invite=true", &ann, &json!({ "email": "bob@acme.example" })).ok();
    let first = token_of(&post.last(1));
    super::call(&post.server, "POST", &format!("/users/{}/invitation", bob["id"].as_str().unwrap()), &ann);
    let second = token_of(&post.last(2));
    post.nothing_waits();
    let accept = |token: &str| post.send("/auth/password", &json!({ "token": token, "password": PASSWORD }));
    assert_eq!(accept(&first).problem(), (401, "token_invalid".to_owned()));
    post.sql("update nexus.invitations set expires_at = now() - interval '1 minute'");
    assert_eq!(accept(&second).problem(), (401, "token_expired".to_owned()));
    post.sql("update nexus.invitations set expires_at = now() + interval '1 minute'");
    assert_eq!(accept(&second).status, 204);
}

#[test]
fn killed_between_the_file_and_the_mark_the_same_file_is_written_again() {
    let (world, server) = acme();
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    server.change("POST", "/users?invite=true", &ann, &json!({ "email": "bob@acme.example" })).ok();
    drop(server);
    with_mailbox(&world);
    world.killed_at("message.file.written", &["serve", "--bind", "127.0.0.1:0"]);
    let before = (files(&world), token_of(&messages(&world, 1)[0]));
    // As if the time of its lease were over.
    let held =
        "update control.jobs set due_at = clock_timestamp() where state = 'running' returning attempts";
    assert_eq!(world.control_sql(held), ["1"]);
    let post = Post { server: Post::serve(&world), world };
    post.nothing_waits();
    let after = (files(&post.world), token_of(&post.last(1)));
    assert_eq!(before.0, after.0, "the file has the name of the row");
    assert_ne!(before.1, after.1);
    let accept = |token: &str| post.send("/auth/password", &json!({ "token": token, "password": PASSWORD }));
    assert_eq!(accept(&before.1).problem(), (401, "token_invalid".to_owned()));
    assert_eq!(accept(&after.1).status, 204);
}

#[test]
fn the_apps_own_login_sees_nothing_of_messages() {
    let (world, _server) = acme();
    let env = world.env("acme");
    let of = |name: &str| env[name].as_str().unwrap();
    let as_app = |statement: &str| world.sql_as(of("PGUSER"), of("PGPASSWORD"), of("PGDATABASE"), statement);
    assert!(as_app("select name from nexus.roles").is_ok());
    for table in [
        "outbox",
        "sign_in_settings",
        "message_limits",
        "sign_in_challenges",
        "invitations",
        "notifications",
        "notification_requests",
        "notification_templates",
        "notification_preferences",
        "quiet_hours",
        "suppressions",
        "inbox",
    ] {
        for statement in [format!("select 1 from nexus.{table}"), format!("delete from nexus.{table}")] {
            let refused = as_app(&statement).unwrap_err();
            assert!(refused.contains("permission denied"), "{statement}: {refused}");
        }
    }
}

#[test]
fn the_messages_of_a_suspended_tenant_wait_and_nobody_asks_for_one() {
    let post = Post::new();
    post.world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid", "--yes"]);
    let end = Instant::now() + TIMEOUT;
    loop {
        let answer = post.send("/auth/forgot", &json!({ "email": "ann@acme.example" }));
        if answer.status == 404 {
            assert_eq!(answer.problem().1, "tenant_not_found");
            break;
        }
        assert!(Instant::now() < end, "{answer:?}");
    }
    let register = json!({ "email": "eve@acme.example", "password": PASSWORD });
    assert_eq!(post.send("/auth/register", &register).problem(), (404, "tenant_not_found".to_owned()));
}
