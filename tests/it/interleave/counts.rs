//! How often a command waits for an answer of PostgreSQL.

use crate::support::pg_proxy::PgProxy;
use crate::support::world::World;

/// What each verb costs; for a person (`NEXUS_TEST_ALL=1 … --nocapture`).
#[test]
fn round_trips_are_counted() {
    let world = World::new();
    let proxy = PgProxy::before(world.stack());
    let config = world.behind(&proxy);
    for (verb, args) in [
        ("create", &["tenant", "create", "acme"][..]),
        ("suspend", &["tenant", "suspend", "acme", "--reason", "unpaid"]),
        ("resume", &["tenant", "resume", "acme"]),
        ("repair", &["tenant", "repair", "acme"]),
    ] {
        proxy.reset();
        world.ok(&[&["--config", &config][..], args].concat());
        let trips = proxy.round_trips();
        if std::env::var_os("NEXUS_TEST_ALL").is_some() {
            eprintln!("{verb}: {trips:?}");
            for point in proxy.points() {
                eprintln!(
                    "  {} {} {} {:.90}",
                    point.connection,
                    point.database,
                    point.waited,
                    point.asks.replace('\n', " ")
                );
            }
        }
    }
}
