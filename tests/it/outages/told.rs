//! What a person was told is on the disk, should the server lose its power the moment after.

use crate::support::private::Private;
use crate::support::world::World;

#[test]
fn what_a_command_acknowledged_survives_a_power_cut_right_after() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    // What nobody waits for stays in memory for ten seconds.
    world.sql("postgres", "alter system set wal_writer_delay = '10s'");
    world.sql("postgres", "select pg_reload_conf()");
    let (password, count) =
        (world.stack().password(), "select count(*) from control.audit_log where action = ");
    let create = ["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--reveal"];
    let told: [(&[&str], &str); 2] = [
        (&create, "tenant.invitation.reveal"),
        (&["tenant", "suspend", "acme", "--reason", "unpaid"], "tenant.suspend"),
    ];
    for (args, action) in told {
        world.ok(args);
        private.kill_postgres();
        let count = format!("{count}'{action}'");
        let found = loop {
            if let Ok(found) = world.sql_as("nexus", &password, &world.control, &count) {
                break found;
            }
            std::thread::sleep(std::time::Duration::from_millis(20));
        };
        assert_eq!(found, ["1"], "{action} was acknowledged");
    }
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "suspended");
}
