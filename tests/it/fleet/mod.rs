//! Fleet migrations: many tenants brought to the same version.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::support::world::World;

mod failures;
mod generated;
mod killed;
mod notices;
mod one_way;
mod plans;
mod pooler;
mod retried;
mod rollback;
mod sendable;
mod shards;
mod states;
mod templates;
mod thin;
mod traps;
mod waves;

/// An installation with tenants, and a set of migrations called `app`.
pub struct Fleet {
    pub world: World,
    folder: tempfile::TempDir,
}

/// What makes the tenants' first table.
const FIRST: (&str, &str) = ("1_books", "create table books (id bigint primary key, title text not null);");

impl Fleet {
    /// With tenants of these names, and no file in the set.
    pub fn of(slugs: &[&str]) -> Self {
        let fleet = Self { world: World::new(), folder: tempfile::tempdir().unwrap() };
        std::fs::create_dir(fleet.source("app")).unwrap();
        fleet.register("app", &[]);
        fleet.create(slugs);
        fleet
    }

    /// Makes more tenants.
    pub fn create(&self, slugs: &[&str]) {
        self.world.tenants(slugs);
    }

    pub fn source(&self, set: &str) -> PathBuf {
        self.folder.path().join(set)
    }

    pub fn register(&self, set: &str, depends_on: &[&str]) {
        let source = self.source(set);
        std::fs::create_dir_all(&source).unwrap();
        let history = if set == "app" {
            "public._sqlx_migrations".to_owned()
        } else {
            format!("public._sqlx_migrations_{set}")
        };
        let mut args =
            vec!["migrate", "set", "add", set, "--source", source.to_str().unwrap(), "--history", &history];
        for other in depends_on {
            args.extend(["--depends-on", other]);
        }
        self.world.ok(&args);
    }

    /// Writes a file of set `app`; its name without the ending.
    pub fn file(&self, name: &str, text: &str) {
        self.file_of("app", name, text);
    }

    pub fn file_of(&self, set: &str, name: &str, text: &str) {
        std::fs::write(self.source(set).join(format!("{name}.sql")), text).unwrap();
    }

    /// `nexus migrate …` that must succeed, for its JSON.
    pub fn migrate(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = ["migrate"].iter().chain(args).copied().collect();
        self.world.json(&args)
    }

    /// `nexus migrate …`; its exit code, and what it wrote.
    pub fn try_migrate(&self, args: &[&str]) -> (i32, Value, Output) {
        let args: Vec<&str> = ["-o", "json", "migrate"].iter().chain(args).copied().collect();
        let output = self.world.run(&args);
        let report = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
        (output.status.code().unwrap_or(-1), report, output)
    }

    pub fn database(&self, slug: &str) -> String {
        self.world
            .control_sql(&format!("select database_name from control.tenants where slug = '{slug}'"))
            .remove(0)
    }

    /// Rows of a statement in a tenant's database, as the superuser.
    pub fn sql(&self, slug: &str, statement: &str) -> Vec<String> {
        self.world.sql(&self.database(slug), statement)
    }

    /// The versions in a tenant's history, each with whether it is done.
    pub fn history(&self, slug: &str) -> Vec<String> {
        self.sql(slug, "select version || case when success then '' else ' dirty' end from public._sqlx_migrations order by 1")
    }

    /// Nothing of a run is left on the server: no login, no session.
    pub fn is_tidy(&self) {
        let mark = format!("nexus:{}:migrator", self.world.id);
        let roles =
            format!("select rolname from pg_roles where shobj_description(oid, 'pg_authid') like '{mark}%'");
        assert_eq!(self.world.sql("postgres", &roles), Vec::<String>::new(), "logins of runs are left");
        assert_eq!(self.world.control_sql("select id from control.runners"), Vec::<String>::new());
        assert_eq!(self.world.there(), self.world.believed());
    }

    /// The tenants of a report that failed, each with its SQLSTATE or word.
    pub fn failures(report: &Value) -> Vec<(String, String)> {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let mut found: Vec<_> = report["tenants"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|tenant| tenant["state"] == "failed")
            .map(|tenant| {
                assert!(!tenant["hint"].as_str().unwrap().is_empty(), "{tenant}");
                assert!(!tenant["message"].as_str().unwrap().is_empty(), "{tenant}");
                (text(&tenant["slug"]).unwrap(), text(&tenant["sqlstate"]).or(text(&tenant["code"])).unwrap())
            })
            .collect();
        found.sort();
        found
    }

    /// Holds a statement's locks in a tenant's database until what is done meanwhile is done.
    pub fn while_held<T>(
        &self,
        slug: &str,
        statement: &str,
        seconds: &str,
        meanwhile: impl FnOnce() -> T,
    ) -> T {
        let database = self.database(slug);
        let held = format!("{statement}; select pg_sleep({seconds})");
        std::thread::scope(|scope| {
            let holder = scope.spawn(|| {
                let stack = self.world.stack();
                // It is ended from outside.
                let _ = stack.sql("nexus", &stack.password(), &database, &held);
            });
            let sleeping = format!(
                "select count(*) from pg_stat_activity where datname = '{database}' and wait_event = 'PgSleep'"
            );
            self.world.until("postgres", &sleeping, |count| count == ["1"]);
            let done = meanwhile();
            self.world.sql(
                "postgres",
                &format!(
                    "select pg_terminate_backend(pid) from pg_stat_activity
                     where datname = '{database}' and wait_event = 'PgSleep'"
                ),
            );
            holder.join().unwrap();
            done
        })
    }
}

/// Slugs `t00`, `t01`, …
pub fn slugs(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("t{number:02}")).collect()
}

/// The same as other functions take them.
pub fn as_strs(slugs: &[String]) -> Vec<&str> {
    slugs.iter().map(String::as_str).collect()
}
