//! The object store goes away while a tenant is made.

use std::net::TcpListener;

use super::{all_is_well, stopped_operation};
use crate::support::proxy::{Fault, Proxy};
use crate::support::stack;
use crate::support::world::World;

const PLACES: [(&str, &str); 4] = [
    ("fence", "PUT /_nexus/v1/fences/"),
    ("bucket", "PUT /_nexus/v1/buckets/"),
    ("key", "PUT /_nexus/v1/keys/"),
    ("proof", "PUT /nx"),
];

#[test]
fn a_create_that_met_a_broken_store_is_finished_when_the_store_is_back() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    world.ok(&["tenant", "create", "neighbour"]);
    let mut slugs = vec!["neighbour".to_owned()];
    for (place, start) in PLACES.iter().skip(1) {
        for fault in [Fault::HangUp, Fault::Ill, Fault::LoseAnswer, Fault::CutAnswer] {
            let slug = format!("{place}-{}", format!("{fault:?}").to_lowercase());
            proxy.break_requests(start, fault);
            let output = world.run(&["-o", "json", "tenant", "create", &slug]);
            let operation = stopped_operation(output.status.code(), &output.stderr);
            assert!(proxy.fix() >= 1, "{slug}");
            let shown = world.json(&["operation", "show", &operation]);
            assert_eq!(shown["state"], "stopped", "{slug}");
            assert_eq!(shown["error"]["code"], "store_unavailable", "{slug}");
            world.ok(&["operation", "resume", &operation]);
            assert_eq!(world.json(&["tenant", "show", &slug])["state"], "active", "{slug}");
            slugs.push(slug);
        }
    }
    let slugs: Vec<&str> = slugs.iter().map(String::as_str).collect();
    all_is_well(&world, &slugs);
}

#[test]
fn a_delete_that_met_a_broken_store_is_finished_when_the_store_is_back() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    let starts = [
        ("fence", "PUT /_nexus/v1/fences/"),
        ("bucket", "DELETE /_nexus/v1/buckets/"),
        ("key", "DELETE /_nexus/v1/keys/"),
    ];
    for (place, start) in starts {
        for fault in [Fault::Ill, Fault::LoseAnswer] {
            let slug = format!("{place}-{}", format!("{fault:?}").to_lowercase());
            world.ok(&["tenant", "create", &slug]);
            proxy.break_requests(start, fault);
            let delete = ["-o", "json", "--yes", "tenant", "delete", &slug, "--purge", "--confirm", &slug];
            let output = world.run(&delete);
            let operation = stopped_operation(output.status.code(), &output.stderr);
            assert!(proxy.fix() >= 1, "{slug}");
            world.ok(&["operation", "resume", &operation]);
            assert_eq!(world.error(&["tenant", "show", &slug]).0, 4, "{slug}");
        }
    }
    all_is_well(&world, &[]);
}

#[test]
fn a_resume_that_met_a_broken_store_can_be_repeated() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    world.killed_at("create.database.before", &["tenant", "create", "acme"]);
    let operation = world.json(&["operation", "list", "--open"])[0]["id"].as_str().unwrap().to_owned();
    for (_, start) in PLACES.iter().skip(1) {
        proxy.break_requests(start, Fault::LoseAnswer);
        let output = world.run(&["-o", "json", "operation", "resume", &operation]);
        if proxy.fix() > 0 {
            assert_eq!(stopped_operation(output.status.code(), &output.stderr), operation, "{start}");
        }
    }
    let output = world.run(&["operation", "resume", &operation]);
    // The last fault may have met the last step, after which nothing is left to do.
    assert!(matches!(output.status.code(), Some(0 | 5)), "{}", String::from_utf8_lossy(&output.stderr));
    all_is_well(&world, &["acme"]);
}

#[test]
fn a_resume_that_cannot_fence_names_the_operation() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    world.killed_at("create.database.before", &["tenant", "create", "acme"]);
    let operation = world.json(&["operation", "list", "--open"])[0]["id"].as_str().unwrap().to_owned();
    proxy.break_requests(PLACES[0].1, Fault::LoseAnswer);
    let output = world.run(&["-o", "json", "operation", "resume", &operation]);
    assert_eq!(proxy.fix(), 1);
    assert_eq!(stopped_operation(output.status.code(), &output.stderr), operation);
    world.ok(&["operation", "resume", &operation]);
    all_is_well(&world, &["acme"]);
}

#[test]
fn without_a_store_nothing_is_lost_and_the_work_goes_on_when_there_is_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let place = listener.local_addr().unwrap();
    drop(listener);
    let world = World::on(&format!("http://{place}"));
    let output = world.run(&["-o", "json", "tenant", "create", "acme"]);
    let operation = stopped_operation(output.status.code(), &output.stderr);
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains(&place.to_string()) && text.contains("refused"), "{text}");
    let _proxy = Proxy::at(TcpListener::bind(place).unwrap(), &stack::shared().endpoint);
    world.ok(&["operation", "resume", &operation]);
    all_is_well(&world, &["acme"]);
}
