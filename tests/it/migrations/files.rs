//! The same files and the same history as sqlx's own tools.

use nexus::features::migrations::{self, File};
use sqlx::migrate::{Migrate, Migrator};
use sqlx::{AssertSqlSafe, PgConnection};

use super::super::support::world::World;
use super::{address, folder, session, wait};

const TABLE: &str = "public._sqlx_migrations";

/// Files of every kind, among others that are none.
const FILES: [(&str, &str); 7] = [
    ("10_last of all.sql", "insert into a values (10);\r\n"),
    ("002_b_and_c.up.sql", "create table b (x int); create table c (x int);\n"),
    ("002_b_and_c.down.sql", "drop table c; drop table b;\n"),
    ("1_a.sql", "create table a (x int); -- é\n"),
    ("5_index.sql", "-- no-transaction\n-- nexus: alone\ncreate index concurrently i on a (x);\n"),
    ("README.md", "not a migration"),
    ("notes.sql", "nor this"),
];

/// A database without anything in it.
fn database(world: &World) -> String {
    let name = format!("{}_files", world.control);
    world.sql("postgres", &format!("create database {name} template template0"));
    // The mark by which it goes with the world.
    world.sql("postgres", &format!("comment on database {name} is 'nexus:{}:files'", world.id));
    name
}

async fn files_of(world: &World) -> Vec<File> {
    let mut control = address(world, &world.control).connect("test").await.unwrap();
    let (caller, sources) = (nexus::kernel::Caller::System, migrations::Sources::default());
    migrations::set(&mut control, &caller, &sources, "shop").await.unwrap().files
}

fn add(world: &World) -> std::path::PathBuf {
    let folder = folder(world, "shop", &FILES);
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
    folder
}

#[test]
fn a_folder_is_read_as_sqlx_reads_it() {
    let world = World::new();
    let folder = add(&world);
    let (ours, theirs) =
        wait(async { (files_of(&world).await, Migrator::new(folder.as_path()).await.unwrap()) });
    let ups: Vec<_> = theirs.iter().filter(|it| it.migration_type.is_up_migration()).collect();
    assert_eq!(ours.len(), 4);
    assert_eq!(ours.len(), ups.len());
    for (ours, theirs) in ours.iter().zip(ups) {
        assert_eq!(ours.version, theirs.version);
        assert_eq!(ours.description, theirs.description);
        assert_eq!(ours.checksum, theirs.checksum.as_ref());
        assert_eq!(ours.up, theirs.sql.as_str());
        assert_eq!(!ours.directives.transaction, theirs.no_tx);
    }
    let down = theirs.iter().find(|it| it.migration_type.is_down_migration()).unwrap();
    assert_eq!(ours[1].down.as_deref(), Some(down.sql.as_str()));
}

/// Applies files and writes the history that sqlx would.
async fn apply(connection: &mut PgConnection, files: &[File]) {
    connection.ensure_migrations_table(TABLE).await.unwrap();
    for file in files {
        sqlx::raw_sql(AssertSqlSafe(file.up.clone())).execute(&mut *connection).await.unwrap();
        let insert = format!(
            "insert into {TABLE} (version, description, success, checksum, execution_time) values ($1, $2, true, $3, 1)"
        );
        sqlx::query(AssertSqlSafe(insert))
            .bind(file.version)
            .bind(&file.description)
            .bind(&file.checksum)
            .execute(&mut *connection)
            .await
            .unwrap();
    }
}

#[test]
fn sqlx_takes_a_database_that_was_migrated_with_our_files_for_its_own() {
    let world = World::new();
    let folder = add(&world);
    let name = database(&world);
    wait(async {
        let mut connection = session(&world, &name).await;
        apply(&mut connection, &files_of(&world).await).await;
        let migrator = Migrator::new(folder.as_path()).await.unwrap();
        migrator.run(&mut connection).await.unwrap();
        // The way back is the file's, too.
        migrator.undo(&mut connection, 1).await.unwrap();
    });
    assert_eq!(world.sql(&name, "select version from _sqlx_migrations"), ["1", "5", "10"]);
    assert_eq!(world.sql(&name, "select to_regclass('b') is null"), ["t"]);
}

#[test]
fn what_sqlx_has_migrated_has_our_versions_and_checksums() {
    let world = World::new();
    let folder = add(&world);
    let name = database(&world);
    wait(async {
        let mut connection = session(&world, &name).await;
        Migrator::new(folder.as_path()).await.unwrap().run(&mut connection).await.unwrap();
        let applied = connection.list_applied_migrations(TABLE).await.unwrap();
        let ours = files_of(&world).await;
        assert_eq!(applied.len(), ours.len());
        for (theirs, ours) in applied.iter().zip(&ours) {
            assert_eq!((theirs.version, theirs.checksum.as_ref()), (ours.version, ours.checksum.as_slice()));
        }
    });
    let described = world.sql(&name, "select description from _sqlx_migrations where version = 2");
    assert_eq!(described, ["b and c"]);
}
