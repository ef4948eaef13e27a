//! A session that holds locks for as long as a test wants.

use std::process::{Child, Command, Stdio};

use super::world::World;

/// Its name, by which its session is found.
const NAME: &str = "test-lock-holder";

/// What its statements locked is locked until this is dropped.
pub struct LockHolder<'a> {
    world: &'a World,
    database: String,
    psql: Child,
}

impl<'a> LockHolder<'a> {
    /// Runs a statement in a transaction in a database, and returns once it holds its locks.
    pub fn of(world: &'a World, database: &str, statement: &str) -> Self {
        let mut psql = Command::new("psql");
        let script = format!("begin; {statement}; select pg_sleep(60)");
        psql.args(["-X", "-q", "-c", &script]).env("PGPASSWORD", world.stack().password());
        psql.env("PGHOST", &world.stack().socket_dir).env("PGPORT", &world.stack().port);
        psql.env("PGUSER", "nexus").env("PGDATABASE", database).env("PGAPPNAME", NAME);
        let psql = psql.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let holder = Self { world, database: database.to_owned(), psql };
        let sleeps = sessions("and wait_event = 'PgSleep'");
        world.until(database, &sleeps, |rows| rows.len() == 1);
        holder
    }
}

fn sessions(condition: &str) -> String {
    let of = "datname = current_database() and application_name";
    format!("select pid from pg_stat_activity where {of} = '{NAME}' {condition}")
}

impl Drop for LockHolder<'_> {
    fn drop(&mut self) {
        let all = sessions("");
        self.world.sql(&self.database, &format!("select pg_terminate_backend(pid) from ({all}) as holder"));
        let _ = self.psql.kill();
        let _ = self.psql.wait();
        self.world.until(&self.database, &all, <[String]>::is_empty);
    }
}
