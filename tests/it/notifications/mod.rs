//! Notifications that apps send: what they say, to whom they go, when, and what becomes of them.

mod inbox;
mod kills;
mod notices;
mod preferences;
mod provider;
mod sending;
mod suppressions;
mod templates;
mod unsubscribe;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::api::PASSWORD;
use crate::mail::stock::StockServer;
use crate::support::api::{Answer, ApiServer};
use crate::support::world::World;

/// How long anything may take before a test says that it hangs.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A tenant `acme` whose administrator is Ann, and a server that writes mail as files.
struct Desk {
    world: World,
    server: ApiServer,
    ann: String,
}

/// Has the processes of an installation write mail as files.
fn with_folder(world: &World) {
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let folder = world.machine().path("work/mail");
    let section = format!("[context.t.serve]\nmail_folder = \"{}\"\n", folder.display());
    std::fs::write(&file, format!("{settings}{section}app_url = \"https://{{tenant}}.app.example\"\n"))
        .unwrap();
}

/// Has the processes of an installation hand mail to a server.
fn with_mail(world: &World, server: &StockServer) {
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let mail = format!(
        "[context.t.mail]\nsmtp_host = \"127.0.0.1\"\nsmtp_port = {}\nsmtp_tls = \"none\"\n\
         from = \"Acme <no-reply@acme.example>\"\n",
        server.port
    );
    std::fs::write(&file, format!("{settings}{mail}")).unwrap();
}

impl Desk {
    fn new() -> Self {
        let world = World::new();
        world.tenant_of("acme", "ann@acme.example", PASSWORD);
        with_folder(&world);
        let server = ApiServer::start(&world);
        let ann = server.token("acme", "ann@acme.example", PASSWORD);
        Self { world, server, ann }
    }

    /// Makes a user; their id.
    fn user(&self, email: &str) -> String {
        let new = json!({ "email": email, "name": "Bob", "password": PASSWORD });
        let made = self.server.change("POST", "/users", &self.ann, &new).ok();
        made["id"].as_str().unwrap().to_owned()
    }

    fn send(&self, body: &Value) -> Answer {
        self.server.change("POST", "/notifications/send", &self.ann, body)
    }

    /// Sends one, and gives the ids of its recipients' rows.
    fn sent(&self, body: &Value) -> Vec<String> {
        let answer = self.send(body);
        assert_eq!(answer.status, 202, "{answer:?}");
        let ids = answer.json()["ids"].as_array().unwrap().clone();
        ids.iter().map(|id| id.as_str().unwrap().to_owned()).collect()
    }

    /// Sets a template of mail.
    fn template(&self, kind: &str, language: &str, body: &Value) -> Answer {
        let path = format!("/notifications/templates/{kind}/email/{language}");
        self.server.change("PUT", &path, &self.ann, body)
    }

    /// A notification, once it is in this state.
    fn until(&self, id: &str, state: &str) -> Value {
        let end = Instant::now() + TIMEOUT;
        loop {
            let found = self.server.get(&format!("/notifications/history/{id}"), &self.ann).ok();
            if found["state"] == state {
                return found;
            }
            assert!(Instant::now() < end, "not {state}: {found}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What is written in files, by who it is to.
    fn mail_to(&self, address: &str) -> Vec<String> {
        let to = format!("\r\nTo: {address}\r\n");
        self.mail().into_iter().filter(|text| text.contains(&to)).collect()
    }

    fn mail(&self) -> Vec<String> {
        let Ok(folder) = std::fs::read_dir(self.world.machine().path("work/mail")) else { return Vec::new() };
        let mut paths: Vec<_> = folder.map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "eml"));
        paths.sort();
        paths.iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
    }

    /// Once there is so much mail to somebody.
    fn until_mail(&self, address: &str, count: usize) -> Vec<String> {
        let end = Instant::now() + TIMEOUT;
        loop {
            let found = self.mail_to(address);
            if found.len() >= count {
                assert_eq!(found.len(), count, "{found:?}");
                return found;
            }
            assert!(Instant::now() < end, "{} of {count} messages to {address}", found.len());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// A text without a template.
fn text(to: &[&str]) -> Value {
    json!({ "kind": "app.news", "to": to, "channel": "email", "subject": "News", "text": "There is news.\n" })
}
