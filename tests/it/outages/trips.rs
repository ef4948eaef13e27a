//! How often a command waits for an answer of PostgreSQL: what latency is multiplied with.

use std::fs;

use crate::support::pg_proxy::PgProxy;
use crate::support::world::World;

#[test]
fn a_migration_waits_three_times_in_each_tenant() {
    let world = World::new();
    for slug in ["acme", "globex", "initech"] {
        world.ok(&["tenant", "create", slug]);
    }
    let folder = world.machine().path("shop");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("1_a.sql"), "create table a (x bigint primary key);\n").unwrap();
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
    // The first run makes the histories, and the template.
    world.ok(&["migrate", "tenants", "--all"]);
    fs::write(folder.join("2_b.sql"), "create table b (x bigint primary key);\n").unwrap();
    let proxy = PgProxy::before(world.stack());
    let config = world.behind(&proxy);
    world.ok(&["--config", &config, "migrate", "tenants", "--all"]);
    let trips = proxy.round_trips();
    let asked: Vec<String> = proxy
        .points()
        .iter()
        .filter(|it| it.waited)
        .map(|it| format!("{}: {}", it.database, it.asks))
        .collect();
    let names = world.control_sql("select database_name from control.tenants where state = 'active'");
    for name in names {
        let trips = trips.get(&name).copied().unwrap_or_default();
        assert!((1..=3).contains(&trips), "{trips} in {name}:\n{}", asked.join("\n"));
    }
}
