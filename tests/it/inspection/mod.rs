//! Whether an inspection finds what is wrong, and nothing else; whether a proof of isolation can be
//! trusted.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::fleet_verify::of;
use crate::support::stack::{self, Stack};
use crate::support::world::World;

mod changing;
mod dead;
mod garage;
mod handbook;
mod killed;
mod planted;
mod planted_others;
mod proof;
mod record;
mod restored;
mod stamp;
mod unseen;

/// A stack of its own beside the shared one: what is planted on a server as a whole disturbs nobody.
pub struct Second {
    pub stack: &'static Stack,
    home: PathBuf,
}

impl Second {
    pub fn start() -> Self {
        let name = uuid::Uuid::new_v4().simple().to_string();
        let home = stack::shared().home.join(format!("s-{}", &name[..8]));
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o711)).unwrap();
        // The few bytes live until the test binary ends, as its worlds expect.
        Self { stack: Box::leak(Box::new(stack::start(&home))), home }
    }

    /// Stops it: its server and its store answer no more.
    pub fn stop(&self) {
        let mut down = Command::new(env!("CARGO_BIN_EXE_nexus"));
        down.args(["--quiet", "local", "down"]).env("NEXUS_HOME", &self.home).current_dir("/");
        let _ = down.output();
    }

    /// Registers its server and its store in an installation, as `second`.
    pub fn register(&self, world: &World) {
        let (file, token) = (self.home.join("local/postgres.password"), self.home.join("local/s3.token"));
        let stack = self.stack;
        world.ok(&[
            "cluster",
            "add",
            "second",
            "--host",
            &stack.socket_dir,
            "--port",
            &stack.port,
            "--user",
            "nexus",
            "--password-file",
            file.to_str().unwrap(),
        ]);
        world.ok(&[
            "store",
            "add",
            "second",
            "--driver",
            "local",
            "--endpoint",
            &stack.endpoint,
            "--secret-file",
            token.to_str().unwrap(),
        ]);
    }
}

impl Drop for Second {
    fn drop(&mut self) {
        self.stop();
        let _ = fs::remove_dir_all(&self.home);
    }
}

/// Makes tenants `t-001` and so on, at these places.
pub fn tenants(world: &World, first: usize, last: usize, place: &[&str]) {
    let slugs: Vec<String> = (first..=last).map(|n| format!("t-{n:03}")).collect();
    if place.is_empty() {
        world.tenants(&slugs);
        return;
    }
    let mut args = vec!["--quiet", "tenant", "create", "--from", "-", "--jobs", "4"];
    args.extend(place);
    let output = world.machine().output(&args, &format!("slug\n{}\n", slugs.join("\n")));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A finding as (code, tenant).
pub type Seen = BTreeSet<(String, String)>;

/// Runs `nexus fsck`: its exit code, its rows.
pub fn rows(world: &World, args: &[&str]) -> (i32, Vec<Value>) {
    let args: Vec<&str> = ["-o", "json", "fsck"].iter().chain(args).copied().collect();
    let output = world.run(&args);
    let text = String::from_utf8_lossy(&output.stdout);
    let rows = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), rows)
}

/// The same: its exit code, its faults, its notices.
pub fn fsck(world: &World, args: &[&str]) -> (i32, Seen, Seen) {
    let (code, rows) = rows(world, args);
    (code, of(&rows, "error"), of(&rows, "notice"))
}

/// The pairs of a list.
pub fn seen(list: &[(&str, &str)]) -> Seen {
    list.iter().map(|(code, tenant)| ((*code).to_owned(), (*tenant).to_owned())).collect()
}
