//! Nexus's own migrations of the control database: an index is built while others write, and again after a crash.

use nexus::infra::db::{MigrationSet, ServerAddress};
use sqlx::migrate::{Migration, MigrationType, Migrator};

use crate::iam::inside::run;
use crate::support::lock_holder::LockHolder;
use crate::support::world::World;

const TABLE: &str = "create table scratch.log (at timestamptz not null)";
const INDEX: &str =
    "-- no-transaction\n-- By time.\ncreate index concurrently if not exists log_at on scratch.log (at);\n";
const LATER: &str = "alter table scratch.log add column who text";

fn set(texts: &[&'static str]) -> MigrationSet {
    let one = |(at, text): (usize, &&'static str)| {
        let apart = text.starts_with("-- no-transaction");
        let version = i64::try_from(at).unwrap() + 1;
        Migration::new(
            version,
            "x".into(),
            MigrationType::Simple,
            sqlx::SqlSafeStr::into_sql_str(*text),
            apart,
        )
    };
    let files: Vec<Migration> = texts.iter().enumerate().map(one).collect();
    MigrationSet::new(Box::leak(Box::new(Migrator::with_migrations(files))), "scratch")
}

async fn apply(server: &ServerAddress, set: MigrationSet) -> Result<(), String> {
    let mut session = server.connect("test:migrator").await.unwrap();
    set.apply(&mut session).await.map_err(|error| error.to_string())
}

/// Whether the index is there, and whether it is used.
const STATE: &str = "select indisvalid from pg_index where indexrelid = to_regclass('scratch.log_at')";

#[test]
fn an_index_that_is_built_keeps_nobody_from_writing_and_is_built_again_where_that_was_cut_short() {
    let world = World::new();
    let server = world.stack().superuser(&world.control);
    let whole = set(&[TABLE, INDEX, LATER]);
    run(apply(&server, set(&[TABLE]))).unwrap();
    // A build waits for the transactions that have written before.
    let writer = LockHolder::of(&world, &world.control, "insert into scratch.log values (now())");
    std::thread::scope(|scope| {
        let building = scope.spawn(|| run(apply(&server, whole)));
        world.until(&world.control, STATE, |rows| rows == ["f"]);
        world.control_sql("set lock_timeout to '2s'; insert into scratch.log values (now())");
        let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
                   where application_name = 'test:migrator'";
        assert_eq!(world.control_sql(end), ["t"]);
        building.join().unwrap().unwrap_err();
    });
    drop(writer);
    // What is left is of no use, and the later file was not applied.
    assert_eq!(world.control_sql(STATE), ["f"]);
    let applied = "select string_agg(version::text, ' ' order by version) from scratch._sqlx_migrations";
    assert_eq!(world.control_sql(applied), ["1"]);
    run(apply(&server, whole)).unwrap();
    assert_eq!(
        (world.control_sql(STATE), world.control_sql(applied)),
        (vec!["t".into()], vec!["1 2 3".into()])
    );
    // It was killed between the build and its row in the history.
    world.control_sql("delete from scratch._sqlx_migrations where version = 2");
    run(apply(&server, whole)).unwrap();
    run(apply(&server, whole)).unwrap();
    assert_eq!(
        (world.control_sql(STATE), world.control_sql(applied)),
        (vec!["t".into()], vec!["1 2 3".into()])
    );
}

#[test]
fn files_outside_a_transaction_and_within_one_are_applied_to_an_empty_database_in_their_order() {
    let world = World::new();
    let server = world.stack().superuser(&world.control);
    run(apply(&server, set(&[TABLE, INDEX, LATER, "create index log_who on scratch.log (who)"]))).unwrap();
    assert_eq!(world.control_sql(STATE), ["t"]);
    assert_eq!(world.control_sql("select count(*) from scratch._sqlx_migrations where success"), ["4"]);
}
