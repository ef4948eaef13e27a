//! The server's disk is full while a tenant is made.

use std::fs::File;
use std::io::Write;

use super::{all_is_well, stopped_operation};
use crate::support::private::Private;
use crate::support::world::World;

/// Megabytes: an empty cluster, a template, a control database, some WAL and a little more.
const DISK: u32 = 224;

#[test]
fn a_create_that_met_a_full_disk_is_finished_when_there_is_room_again() {
    let private = Private::on_small_disk(DISK);
    let world = World::of(private.stack(), &private.stack().endpoint);
    let paused = world.paused_at("create.database.before", &["-o", "json", "tenant", "create", "acme"]);
    let filler = private.path().join("filler");
    let mut file = File::create(&filler).unwrap();
    let piece = vec![0_u8; 1 << 20];
    while file.write_all(&piece).is_ok() {}
    while file.write_all(&piece[..1024]).is_ok() {}
    drop(file);
    let output = paused.go_on();
    let operation = stopped_operation(output.status.code(), &output.stderr);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("disk") || text.contains("No space left"), "{text}");

    std::fs::remove_file(&filler).unwrap();
    let password = world.stack().password();
    while world.sql_as("nexus", &password, "postgres", "select 1").is_err() {}
    world.ok(&["operation", "resume", &operation]);
    all_is_well(&world, &["acme"]);
}
