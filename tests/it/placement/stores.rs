use super::super::support::stack;
use super::super::support::world::World;

fn add_second(world: &World, more: &[&str]) {
    let second = stack::second();
    let token = second.home.join("local/s3.token");
    let mut args = vec!["store", "add", "s2", "--driver", "local", "--endpoint", &second.endpoint];
    args.extend(["--secret-file", token.to_str().unwrap()]);
    args.extend(more);
    world.ok(&args);
}

#[test]
fn a_tenants_bucket_is_made_in_the_store_that_was_named() {
    let world = World::new();
    add_second(&world, &[]);
    let made = world.json(&["tenant", "create", "acme", "--store", "s2"]);
    assert_eq!(made["store"], "s2");
    let bucket = made["bucket"].as_str().unwrap();
    let buckets = world.store("buckets").to_string();
    assert!(!buckets.contains(bucket));
    assert_eq!(world.env("acme")["S3_ENDPOINT"], stack::second().endpoint.as_str());
}

#[test]
fn a_store_whose_secret_is_wrong_is_not_registered() {
    let world = World::new();
    let token = world.machine().path("wrong.token");
    std::fs::write(&token, "wrong\n").unwrap();
    std::fs::set_permissions(&token, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let endpoint = &stack::second().endpoint;
    let args = ["store", "add", "s2", "--driver", "local", "--endpoint", endpoint];
    let args: Vec<&str> = args.into_iter().chain(["--secret-file", token.to_str().unwrap()]).collect();
    let (code, error) = world.error(&args);
    assert_eq!((code, error["code"].as_str()), (8, Some("store_refused")));
    assert_eq!(world.error(&["store", "show", "s2"]).0, 4);
}

#[test]
fn a_store_with_tenants_stays_and_one_without_goes() {
    let world = World::new();
    add_second(&world, &[]);
    add_second(&world, &[]);
    world.ok(&["tenant", "create", "acme", "--store", "s2"]);
    let remove = ["store", "remove", "s2", "--yes", "--confirm", "s2"];
    assert_eq!(world.error(&remove).1["code"], "in_use");
    world.ok(&["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"]);
    world.ok(&remove);
    assert_eq!(world.error(&["store", "show", "s2"]).0, 4);
}
