//! What is planted in a tenant's database does not run with an operator's rights.

use super::{at_version, database, of, role, seen, shop, verify};
use crate::inspection::{fsck, tenants};
use crate::support::world::World;

#[test]
fn nothing_that_is_planted_runs_in_a_session_that_asks() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    shop(&world);
    at_version(&world, "t-001", 2);
    let (inside, owner) = (database(&world, "t-001"), role(&world, "t-001", "owner_role"));
    let trap = Trap::new();
    // The owner makes them.
    let plant = format!(
        "grant create on database {inside} to \"{owner}\"; set role \"{owner}\";
         create schema trap; {bang};
         create function trap.bang(text) returns text immutable language plpgsql as
             $$ begin perform trap.bang(); return $1; end $$;
         create view public._sqlx_migrations as {HISTORY};
         create function trap.quote_ident(name) returns text immutable language sql as 'select trap.bang($1::text)';
         create function trap.format_type(oid, integer) returns text immutable language sql as 'select trap.bang(''x'')';
         create function trap.pg_get_expr(pg_node_tree, oid) returns text immutable language sql as 'select trap.bang(''x'')';
         create function trap.eq(name, text) returns boolean immutable language sql as 'select trap.bang($2) is not null';
         create operator trap.= (leftarg = name, rightarg = text, function = trap.eq);
         create domain trap.word as text check (trap.bang(value) is not null);
         create table trap.t (a trap.word default trap.bang('x'), b int generated always as (length(trap.bang('x'))) stored);
         create index on trap.t ((trap.bang(a)));
         create view trap.v as select trap.bang('x'), a from trap.t;
         alter database {inside} set search_path to trap, pg_catalog;
         alter role \"{owner}\" set search_path to trap, pg_catalog",
        bang = trap.bang()
    );
    world.sql(&inside, &plant);
    world.sql(&inside, "select version from public._sqlx_migrations");
    trap.set_again();

    for args in [&["t-001"][..], &["--full"], &[]] {
        let (code, rows) = verify(&world, args);
        assert!(
            of(&rows, "error").contains(&("history_malformed".to_owned(), "t-001".to_owned())),
            "{rows:?}"
        );
        assert_eq!(code, 9);
        assert!(!trap.has_sprung(), "a trap was stepped on");
    }
    // Its schema is compared as well, where its sets are where the template's are.
    world.control_sql(
        "delete from control.tenant_versions; delete from control.migration_sets where name = 'shop'",
    );
    let (_, rows) = verify(&world, &["--full"]);
    assert_eq!(of(&rows, "error"), seen(&[("schema_drift", "t-001")]));
    assert!(!trap.has_sprung(), "a trap was stepped on");
}

#[test]
fn fsck_reads_no_view_in_place_of_the_realms_history() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let (inside, owner) = (database(&world, "t-001"), role(&world, "t-001", "owner_role"));
    let trap = Trap::new();
    world.sql(
        &inside,
        &format!(
            "grant create on database {inside} to \"{owner}\"; set role \"{owner}\"; create schema trap; {};
             drop table nexus._sqlx_migrations; create view nexus._sqlx_migrations as {HISTORY}; reset role;
             revoke create on database {inside} from \"{owner}\"",
            trap.bang()
        ),
    );
    world.sql(&inside, "select version from nexus._sqlx_migrations");
    trap.set_again();
    let (code, found, _) = fsck(&world, &[]);
    assert_eq!((code, found), (9, seen(&[("inside_unreadable", "t-001")])));
    assert!(!trap.has_sprung(), "a trap was stepped on");
}

/// What a view says in place of a history: whoever reads it steps on a trap.
pub const HISTORY: &str = "select trap.bang() as version, true as success, ''::bytea as checksum";

/// A superuser who steps on it leaves a file.
pub struct Trap(std::path::PathBuf);

impl Trap {
    pub fn new() -> Self {
        Self(std::env::temp_dir().join(format!("nexus-trap-{}", uuid::Uuid::new_v4().simple())))
    }

    /// The function that is the trap, in schema `trap`.
    pub fn bang(&self) -> String {
        format!(
            "create function trap.bang() returns bigint language plpgsql as
                 $$ begin execute 'copy (select current_user) to ''{}'''; return 1;
                    exception when insufficient_privilege then return 0; end $$",
            self.0.display()
        )
    }

    pub fn has_sprung(&self) -> bool {
        self.0.exists()
    }

    pub fn set_again(&self) {
        assert!(self.has_sprung(), "a trap that does not spring proves nothing");
        std::fs::remove_file(&self.0).unwrap();
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn what_an_app_lets_others_do_with_what_it_cannot_make_is_no_drift() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let env = world.env("t-001");
    let field = |name: &str| env[name].as_str().unwrap().to_owned();
    let granted = "alter default privileges grant all on tables to public";
    world.sql_as(&field("PGUSER"), &field("PGPASSWORD"), &field("PGDATABASE"), granted).unwrap();
    let (code, rows) = verify(&world, &["--full"]);
    assert_eq!((code, of(&rows, "error")), (0, seen(&[])));
}
