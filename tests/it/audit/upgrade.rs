//! A log from before there was a chain.

use sqlx::migrate::{Migrate, Migrator};
use sqlx::{Connection, PgConnection, postgres::PgConnectOptions};

use super::{finding, tamper, verified};
use crate::support::world::World;

static CONTROL: Migrator = sqlx::migrate!("./migrations");
static REALM: Migrator = sqlx::migrate!("./tenant_migrations");

/// The last version without a chain.
const BEFORE: i64 = 20_261_121_000_300;

/// Makes the control database anew as it was at that version; the installation stays the same.
fn set_back(world: &World) {
    let keep = ["installation", "master_keys"];
    let kept: Vec<_> = keep
        .map(|table| {
            let rows =
                world.control_sql(&format!("select coalesce(json_agg(it), '[]') from control.{table} as it"));
            (table, rows.concat())
        })
        .into();
    let old = world.control.as_str();
    // Nothing was kept on the server then.
    world.sql("postgres", &format!("drop role nexus_record_{}", world.id.replace('-', "")));
    world.sql("postgres", &format!("drop database \"{old}\" with (force)"));
    world.sql("postgres", &format!("create database \"{old}\" template template0"));
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&world.stack().socket_dir)
        .port(world.stack().port.parse().unwrap())
        .username("nexus")
        .password(&world.stack().password())
        .database(old);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut connection = PgConnection::connect_with(&options).await.unwrap();
        for (files, schema) in [(&CONTROL, "control"), (&REALM, "nexus")] {
            let old = files.iter().filter(|file| schema != "control" || file.version <= BEFORE).cloned();
            let mut migrator = Migrator::with_migrations(old.collect());
            migrator.set_locking(false);
            migrator.dangerous_set_table_name(format!("{schema}._sqlx_migrations"));
            connection.create_schema_if_not_exists(schema).await.unwrap();
            migrator.run_direct(None, &mut connection, false).await.unwrap();
        }
        connection.close().await.unwrap();
    });
    for (table, rows) in kept {
        world.control_sql(&format!(
            "insert into control.{table} select * from json_populate_recordset(null::control.{table}, $it${rows}$it$)"
        ));
    }
}

#[test]
fn rows_from_before_the_chain_are_chained_and_the_log_goes_on() {
    let world = World::new();
    set_back(&world);
    // The second id is a gap, as a transaction that was rolled back leaves it.
    world.control_sql(
        "insert into control.audit_log (at, caller, action, tenant_id, detail)
         select '2026-11-01 10:00:00.5+02'::timestamptz + make_interval(hours => n), 'machine:ann', 'test.old',
                gen_random_uuid(), jsonb_build_object('n', n, 'b', 1.10)
         from generate_series(1, 5) as n;
         select nextval('control.audit_log_id_seq');
         insert into control.audit_log (caller, action) values ('machine:ann', 'test.old')",
    );
    let before =
        world.control_sql("select id, at, caller, tenant_id, detail from control.audit_log order by id");
    let (_, error) = world.error(&["audit", "verify"]);
    assert_eq!(error["code"], "control_behind");
    world.ok(&["init"]);
    let after = world.control_sql(
        "select id, at, caller, tenant_id, detail from control.audit_log where action <> 'record.seal'
         order by sequence",
    );
    assert_eq!(after, before, "what was written stays as it was");
    // One more: that rows from before there were checksums were taken for true.
    assert_eq!(verified(&world, &[])["rows"], 7);
    world.ok(&["tenant", "create", "acme"]);
    assert_eq!(verified(&world, &[])["rows"], 8);
    tamper(&world, "update control.audit_log set caller = 'machine:eve' where sequence = 2");
    assert_eq!(finding(&world, &[]), ("audit_row_edited".to_owned(), 2));
}

#[test]
fn the_log_is_still_append_only_after_the_upgrade() {
    let world = World::new();
    set_back(&world);
    world.control_sql("insert into control.audit_log (caller, action) values ('machine:ann', 'test.old')");
    world.ok(&["init"]);
    let password = world.stack().password();
    let statement = "update control.audit_log set caller = 'nobody'";
    let refusal = world.sql_as("nexus", &password, &world.control, statement).expect_err(statement);
    assert!(refusal.contains("the audit log is append-only"), "{refusal}");
}
