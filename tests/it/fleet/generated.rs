//! Files that a generator wrote, in a tenant that exists, in the template, and in a tenant made later. What
//! they left is compared by what pg_dump says of both databases, which knows nothing of ours.
//!
//! 30 files in CI; all 200 with `NEXUS_TEST_ALL=1`. `NEXUS_TEST_SEED=N` takes another seed.

use std::fmt::Write as _;
use std::process::Command;

use super::Fleet;

/// A sequence of numbers that a seed decides (Marsaglia's xorshift, 64 bits).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % most as u64).unwrap()
    }

    fn of<'a>(&mut self, some: &[&'a str]) -> &'a str {
        some[self.below(some.len())]
    }
}

const GRANTEES: [&str; 4] = ["nexus_app", "public", "pg_monitor", "pg_read_all_data"];

/// What a generated file can be about.
struct Writer {
    numbers: Numbers,
    schemas: Vec<String>,
    tables: Vec<String>,
    functions: Vec<String>,
    next: usize,
}

impl Writer {
    fn one(&mut self, from: fn(&Self) -> &Vec<String>) -> Option<String> {
        let count = from(self).len();
        (count > 0).then(|| self.numbers.below(count)).map(|at| from(self)[at].clone())
    }

    fn statement(&mut self) -> String {
        self.next += 1;
        let number = self.next;
        let schema = self.one(|it| &it.schemas).unwrap();
        let grantee = self.numbers.of(&GRANTEES);
        let table = self.one(|it| &it.tables);
        let function = self.one(|it| &it.functions);
        match (self.numbers.below(18), table, function) {
            (0, ..) => {
                self.schemas.push(format!("s{number}"));
                format!("create schema s{number};")
            }
            (1..=3, ..) => {
                self.tables.push(format!("{schema}.t{number}"));
                let kind = self.numbers.of(&["", "unlogged "]);
                format!(
                    "create {kind}table {schema}.t{number} (id serial primary key, a int, b text default 'x');"
                )
            }
            (4, ..) => {
                self.functions.push(format!("{schema}.f{number}()"));
                let rights = self.numbers.of(&["", " security definer set search_path = pg_catalog"]);
                format!(
                    "create function {schema}.f{number}() returns int language sql{rights} as 'select {number}';"
                )
            }
            (5, Some(table), _) => format!("create view {schema}.v{number} as select id, a from {table};"),
            (6, Some(table), _) => {
                let right =
                    self.numbers.of(&["select", "insert", "update (a)", "delete", "all", "references"]);
                let further =
                    if grantee == "public" { "" } else { self.numbers.of(&["", " with grant option"]) };
                format!("grant {right} on {table} to {grantee}{further};")
            }
            (7, Some(table), _) => {
                let right = self.numbers.of(&["select", "insert", "update", "delete", "all"]);
                let from = self.numbers.of(&["nexus_app", "public", "current_user"]);
                format!("revoke {right} on {table} from {from};")
            }
            (8, _, Some(function)) => format!("revoke execute on function {function} from public;"),
            (9, _, Some(function)) => format!("grant execute on function {function} to {grantee};"),
            (10, ..) => {
                let verb = self.numbers.of(&["grant usage on schema S to", "revoke usage on schema S from"]);
                format!("{} {grantee};", verb.replace('S', &schema))
            }
            (11, ..) => {
                let place = self.numbers.of(&["", "in schema S "]).replace('S', &schema);
                let what = self.numbers.of(&[
                    "select on tables",
                    "all on tables",
                    "usage on sequences",
                    "execute on functions",
                ]);
                let verb = self.numbers.of(&["grant W to", "revoke W from"]).replace('W', what);
                format!("alter default privileges {place}{verb} {grantee};")
            }
            (12, ..) => {
                let set = self.numbers.of(&[
                    "work_mem to '3MB'",
                    "timezone to 'Asia/Tokyo'",
                    "search_path to public, \"A b\"",
                    "datestyle to 'German'",
                ]);
                format!(
                    "do $$ begin execute format('alter database %I set {}', current_database()); end $$;",
                    set.replace('\'', "''")
                )
            }
            (13, ..) => {
                self.tables.push(format!("{schema}.l{number}"));
                let leave =
                    self.numbers.of(&["set role none", "reset role", "set session authorization default"]);
                format!(
                    "create table {schema}.l{number} (id int, a int);
                     do $$ begin
                         execute '{leave}'; insert into {schema}.l{number} values (1, 1); execute 'reset role';
                     end $$;"
                )
            }
            (14, ..) => {
                let left = self.numbers.of(&[
                    "set search_path = nowhere",
                    "set default_table_access_method = heap",
                    "create temp table scrap (x int)",
                    "select pg_advisory_lock(7)",
                    "prepare p as select 1",
                    "set default_transaction_read_only = on",
                    "set standard_conforming_strings = off",
                ]);
                format!("{left};")
            }
            (15, Some(table), _) => format!("alter table {table} add column c{number} int;"),
            (16, ..) => format!(
                "create type {schema}.e{number} as enum ('a', 'b'); revoke usage on type {schema}.e{number} from public;"
            ),
            _ => format!(
                "create domain {schema}.d{number} as int check (value > 0); create sequence {schema}.q{number};"
            ),
        }
    }
}

/// The whole of a database's schema with its rights, as a restore would make it, with names of its own.
fn dump(fleet: &Fleet, slug: &str) -> Vec<String> {
    let database = fleet.database(slug);
    let stack = fleet.world.stack();
    let output = Command::new("pg_dump")
        .args(["--schema-only", "--create", &database])
        .envs([("PGHOST", &stack.socket_dir), ("PGPORT", &stack.port), ("PGPASSWORD", &stack.password())])
        .env("PGUSER", "nexus")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let role = |column: &str| {
        fleet
            .world
            .control_sql(&format!("select {column} from control.tenants where slug = '{slug}'"))
            .remove(0)
    };
    let (owner, app) = (role("owner_role"), role("app_role"));
    let text = String::from_utf8(output.stdout).unwrap();
    let text = text.replace(&owner, "OWNER").replace(&app, "APP").replace(&database, "DATABASE");
    let told = |line: &&str| {
        !line.is_empty()
            && !line.starts_with("--")
            && !line.starts_with('\\')
            && !line.starts_with("COMMENT ON DATABASE")
    };
    let mut lines: Vec<String> = text.lines().filter(told).map(str::to_owned).collect();
    // Rights of one object come in the order in which they were granted.
    lines.sort();
    lines
}

#[test]
fn whatever_files_do_they_leave_the_same_in_old_tenants_in_templates_and_in_new_ones() {
    let whole = std::env::var_os("NEXUS_TEST_ALL").is_some();
    let count = if whole { 200 } else { 30 };
    let seed = std::env::var("NEXUS_TEST_SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(20_261_128);
    let mut writer = Writer {
        numbers: Numbers(seed),
        schemas: vec!["public".to_owned()],
        tables: Vec::new(),
        functions: Vec::new(),
        next: 0,
    };
    let fleet = Fleet::of(&["ash", "birch"]);
    for version in 1..=count {
        let mut text = String::new();
        for _ in 0..=writer.numbers.below(3) {
            let _ = writeln!(text, "{}", writer.statement());
        }
        fleet.file(&format!("{version}_generated"), &text);
        // One tenant is migrated often, another and the template seldom.
        if version % 7 == 0 {
            fleet.migrate(&["tenants", "ash"]);
        }
        if version % (count / 2) == 0 {
            fleet.migrate(&["tenants", "--all"]);
            let young = format!("young-{version}");
            fleet.create(&[&young]);
            let old = dump(&fleet, "ash");
            for slug in ["birch", &young] {
                let other = dump(&fleet, slug);
                let differs: Vec<_> = old.iter().filter(|line| !other.contains(line)).collect();
                let more: Vec<_> = other.iter().filter(|line| !old.contains(line)).collect();
                assert!(
                    differs.is_empty() && more.is_empty(),
                    "seed {seed}, ash and {slug}: {differs:#?} {more:#?}"
                );
            }
        }
    }
    fleet.world.ok(&["migrate", "verify", "--full"]);
    fleet.is_tidy();
}
