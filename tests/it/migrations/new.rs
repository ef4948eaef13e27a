use std::fs;

use sqlx::migrate::Migrator;

use super::super::support::world::World;
use super::{folder, shop, wait};

#[test]
fn a_new_file_is_the_newest_and_its_path_is_all_that_is_printed() {
    let world = World::new();
    shop(&world);
    let printed = world.ok(&["-o", "id", "migrate", "new", "shop", "add customers"]);
    let path = printed.strip_suffix('\n').unwrap();
    assert!(path.ends_with("_add_customers.sql"), "{path}");
    assert_eq!(fs::read_to_string(path).unwrap(), "-- What this changes, and why.\n");
    let version =
        std::path::Path::new(path).file_name().unwrap().to_str().unwrap().split('_').next().unwrap();
    // sqlx's own: year to second.
    assert!(version.len() == 14 && version.starts_with("20"), "{version}");
    let shown = world.json(&["migrate", "set", "show", "shop"]);
    assert_eq!(shown["newest"].to_string(), version);
}

#[test]
fn no_version_is_given_twice_however_fast_they_come() {
    let world = World::new();
    let folder = shop(&world);
    let made: Vec<_> = (0..3).map(|_| world.json(&["migrate", "new", "shop", "more"])).collect();
    let versions: Vec<_> = made.iter().map(|list| list[0]["version"].as_i64().unwrap()).collect();
    assert!(versions.windows(2).all(|pair| pair[0] < pair[1]), "{versions:?}");
    // Also after one that a wrong clock has made.
    fs::write(folder.join("99990101000000_far.sql"), "select 1").unwrap();
    let late = world.json(&["migrate", "new", "shop", "more"]);
    assert_eq!(late[0]["version"], 99_990_101_000_001_i64);
}

#[test]
fn a_reversible_migration_without_a_transaction_is_what_sqlx_takes_for_one() {
    let world = World::new();
    let folder = shop(&world);
    let made = world.json(&["migrate", "new", "shop", "index", "--reversible", "--no-transaction"]);
    let files: Vec<_> = made.as_array().unwrap().iter().map(|it| it["file"].as_str().unwrap()).collect();
    assert!(files[0].ends_with("_index.up.sql") && files[1].ends_with("_index.down.sql"), "{files:?}");
    let version = made[0]["version"].as_i64().unwrap();
    let theirs = wait(Migrator::new(folder.as_path())).unwrap();
    let ways: Vec<_> = theirs.iter().filter(|it| it.version == version).collect();
    assert_eq!(ways.len(), 2);
    assert!(ways.iter().all(|it| it.no_tx));
}

#[test]
fn a_dry_run_makes_no_file() {
    let world = World::new();
    let folder = shop(&world);
    let planned = world.json(&["--dry-run", "migrate", "new", "shop", "more"]);
    assert!(planned[0]["file"].as_str().unwrap().ends_with("_more.sql"));
    assert_eq!(fs::read_dir(folder).unwrap().count(), 3);
}

#[test]
fn words_that_lead_out_of_the_folder_are_refused() {
    let world = World::new();
    let source = folder(&world, "deep/shop", &[]);
    world.ok(&["migrate", "set", "add", "shop", "--source", source.to_str().unwrap()]);
    for words in ["../out", "a/b", "a.sql", "", " "] {
        let (code, error) = world.error(&["migrate", "new", "shop", words]);
        assert_eq!((code, error["code"].as_str()), (2, Some("migration_name")), "{words:?}");
    }
    assert_eq!(fs::read_dir(world.machine().path("deep")).unwrap().count(), 1);
}
