//! Databases that were there before Nexus.

use super::{database, of, seen, shop, verify};
use crate::adopt;
use crate::support::world::World;

#[test]
fn what_sets_made_in_an_adopted_database_is_compared_and_what_is_its_own_is_not() {
    for login_owns in [true, false] {
        let world = World::new();
        let old = adopt::shop(&world, login_owns);
        world.ok(&old.adopt("old"));
        let inside = database(&world, "old");
        assert_eq!(verify(&world, &[]), (0, vec![]), "login owns: {login_owns}");
        let (code, rows) = verify(&world, &["old"]);
        assert_eq!((code, of(&rows, "notice")), (0, seen(&[("not_compared", "old")])), "{rows:?}");
        // Its own affair.
        world.sql(&inside, "alter table stock.goods add column more text; create table public.more (id int)");
        assert_eq!(verify(&world, &[]), (0, vec![]));
        world.sql(&inside, "drop index nexus.users_created; create table nexus.rogue (id int)");
        for args in [&[][..], &[], &["--full"]] {
            let (code, rows) = verify(&world, args);
            assert_eq!((code, of(&rows, "error")), (9, seen(&[("schema_drift", "old")])), "{args:?}");
        }
        let (_, rows) = verify(&world, &["old"]);
        let expected = seen(&[("schema_missing", "old"), ("schema_extra", "old")]);
        assert_eq!(of(&rows, "error"), expected, "{rows:?}");
    }
}

#[test]
fn an_adopted_database_has_its_histories_and_indexes_looked_at_and_what_an_operators_set_made() {
    let world = World::new();
    shop(&world);
    let old = adopt::shop(&world, true);
    world.ok(&old.adopt("old"));
    let inside = database(&world, "old");
    assert_eq!(world.json(&["migrate", "tenants", "--all"])["outcome"], "done");
    assert_eq!(verify(&world, &[]), (0, vec![]));
    let at = |statement: &str| world.sql(&inside, statement);
    at("alter table public.shop alter column price type text; create table public.own (n int)");
    let (_, rows) = verify(&world, &["old"]);
    let errors: Vec<_> = rows.iter().filter(|row| row["severity"] == "error").collect();
    assert_eq!(errors.len(), 1, "{rows:?}");
    assert_eq!(
        (&errors[0]["code"], &errors[0]["object"]),
        (&"schema_changed".into(), &"column public.shop.price".into())
    );
    at("alter table public.shop alter column price type numeric using null");
    assert_eq!(verify(&world, &[]), (0, vec![]));

    at("insert into public.own values (1), (1)");
    let build = "create unique index concurrently broken on public.own (n)";
    assert!(world.sql_as("nexus", &world.stack().password(), &inside, build).is_err());
    at("delete from public._sqlx_migrations where version = 1");
    let (code, rows) = verify(&world, &[]);
    let expected = seen(&[("index_invalid", "old"), ("migration_missing", "old")]);
    assert_eq!((code, of(&rows, "error")), (9, expected), "{rows:?}");
}
