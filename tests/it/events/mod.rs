//! Events: what happens in a realm is published, numbered without gaps, read page by page and as it comes.

mod bus;
mod commands;
mod order;
mod over_http;
mod over_nats;
mod publishing;
mod sockets;
mod streams;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::api::{ApiServer, bearer};
use crate::support::world::World;

/// How long anything may take before a test says that it hangs.
const TIMEOUT: Duration = Duration::from_mins(1);
const PASSWORD: &str = crate::api::PASSWORD;

/// An installation with a tenant `acme`, whose administrator is Ann, a server, and her token.
fn acme() -> (World, ApiServer, String) {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    // A stream that comes again is a request.
    let server = ApiServer::start_with(&world, &[("requests_a_minute", "1000000")]);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    (world, server, token)
}

/// The login of a tenant's apps.
struct AppLogin {
    user: String,
    password: String,
    database: String,
}

impl AppLogin {
    fn of(world: &World, slug: &str) -> Self {
        let env = world.env(slug);
        let word = |name: &str| env[name].as_str().unwrap().to_owned();
        Self { user: word("PGUSER"), password: word("PGPASSWORD"), database: word("PGDATABASE") }
    }

    fn sql(&self, world: &World, statement: &str) -> Result<Vec<String>, String> {
        world.sql_as(&self.user, &self.password, &self.database, statement)
    }

    /// Publishes some events, each in a transaction of its own.
    fn publish(&self, world: &World, kind: &str, count: usize) {
        let each = format!(
            "do $$ begin for n in 1..{count} loop
                 perform nexus.publish('{kind}', 'k', jsonb_build_object('n', n)); commit;
             end loop; end $$"
        );
        self.sql(world, &each).unwrap();
    }
}

/// Waits until every event of a tenant is published.
fn until_published(world: &World, slug: &str) {
    let waiting = "select count(*) from nexus.outbox where published_at is null and type not like 'mail.%'";
    world.until(&world.database_of(slug), waiting, |rows| rows == ["0"]);
}

/// Waits until what was changed before in a tenant and in the platform's realm is published: by servers that run, in
/// their own time.
pub fn settle(world: &World, slug: &str) {
    let waiting = "select count(*) from nexus.outbox where published_at is null and type not like 'mail.%'";
    let held = "select count(*) from control.relays where lease_until > '-infinity'";
    until("events wait", || {
        world.tenant_sql(slug, waiting) == ["0"]
            && world.control_sql(waiting) == ["0"]
            && world.control_sql(held) == ["0"]
    });
}

/// All events of a realm, by the API.
fn all(server: &ApiServer, token: &str, query: &str) -> Vec<Value> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let from = after.map(|after| format!("&after={after}")).unwrap_or_default();
        let page = server.get(&format!("/events?limit=100&{query}{from}"), token).ok();
        found.extend(page["data"].as_array().unwrap().iter().cloned());
        after = page["pagination"]["after"].as_i64();
        if page["pagination"]["more"] == false {
            return found;
        }
    }
}

fn positions(events: &[Value]) -> Vec<i64> {
    events.iter().map(|event| event["position"].as_i64().unwrap()).collect()
}

/// A role of Ann's making with one permission, for a user of their own; their token.
fn reader(server: &ApiServer, ann: &str, name: &str, permissions: &[&str]) -> String {
    let role = json!({ "name": name, "permissions": permissions });
    server.change("POST", "/roles", ann, &role).ok();
    let email = format!("{}@acme.example", name.to_lowercase());
    let user = json!({ "email": email, "password": PASSWORD, "roles": [name] });
    server.change("POST", "/users", ann, &user).ok();
    server.token("acme", &email, PASSWORD)
}

/// A stream of server-sent events.
pub struct Follower {
    lines: BufReader<TcpStream>,
    status: u16,
    headers: Vec<String>,
}

impl Follower {
    /// Follows by a token.
    pub fn by(server: &ApiServer, query: &str, token: &str, more: &[&str]) -> Self {
        let token = bearer(token);
        let headers: Vec<&str> = more.iter().copied().chain([token.as_str()]).collect();
        Self::open(server, &format!("/events{query}"), &headers)
    }

    fn open(server: &ApiServer, path: &str, headers: &[&str]) -> Self {
        let headers: Vec<&str> = headers.iter().copied().chain(["Accept: text/event-stream"]).collect();
        let mut lines = BufReader::new(server.send_only("GET", path, &headers, &[]));
        let mut head = Vec::new();
        loop {
            let mut line = String::new();
            assert!(lines.read_line(&mut line).unwrap() > 0, "{head:?}");
            match line.trim_end() {
                "" => break,
                line => head.push(line.to_owned()),
            }
        }
        let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
        Self { lines, status, headers: head.split_off(1) }
    }

    /// Kind, id and data of the next one; none at the end.
    pub fn next(&mut self) -> Option<(String, String, Value)> {
        let (mut kind, mut id, mut data) = ("message".to_owned(), String::new(), None);
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap_or_default() == 0 {
                return None;
            }
            let line = line.trim_end();
            if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut kind);
            } else if let Some(text) = line.strip_prefix("id: ") {
                text.clone_into(&mut id);
            } else if let Some(text) = line.strip_prefix("data: ") {
                data = Some(serde_json::from_str(text).unwrap());
            } else if line.is_empty()
                && let Some(data) = data.take()
            {
                return Some((kind, id, data));
            }
        }
    }

    /// So many messages.
    pub fn take(&mut self, count: usize) -> Vec<Value> {
        let message = |follower: &mut Self| {
            let (kind, id, data) = follower.next().unwrap();
            assert_eq!((kind.as_str(), &json!(id.parse::<i64>().unwrap())), ("message", &data["position"]));
            data
        };
        (0..count).map(|_| message(self)).collect()
    }

    /// Why it ends, whatever comes before.
    fn end(mut self) -> Option<String> {
        let mut last = None;
        while let Some((kind, ..)) = self.next() {
            last = Some(kind);
        }
        last
    }
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let end = Instant::now() + TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
