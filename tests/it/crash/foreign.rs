//! What bears a name that we reserved and was not made by us: never adopted, never dropped.

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use super::settled::{create, delete, is_active, is_settled, open_operation, repair_settles};
use crate::support::world::{Inventory, World};

/// The tenant's reserved value of a column.
fn reserved(world: &World, column: &str) -> String {
    let rows = world.control_sql(&format!("select {column} from control.tenants order by id desc limit 1"));
    rows[0].clone()
}

/// Sends a change to the admin interface of the S3 endpoint.
pub fn change_store(world: &World, method: &str, path: &str, body: &Value) -> String {
    let stack = world.stack();
    let address = stack.endpoint.strip_prefix("http://").unwrap();
    let body = body.to_string();
    let mut stream = TcpStream::connect(address).unwrap();
    let request = format!(
        "{method} /_nexus/v1/{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        stack.token(),
        body.len()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

fn somebody_elses(world: &World) -> Value {
    serde_json::json!({ "owner": format!("other:{}", world.id), "fence": 1, "purge": true })
}

/// A create that stops at `point`, finds there what `occupy` makes in its name, and must give up.
fn gives_up(world: &World, point: &str, code: &str, occupy: impl FnOnce()) {
    let mut args = vec!["-o", "json"];
    args.extend(create("acme"));
    let paused = world.paused_at(point, &args);
    occupy();
    let output = paused.go_on();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let error = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).next_back();
    let error = error.unwrap_or_else(|| panic!("{text}"))["error"].clone();
    assert_eq!((output.status.code(), error["code"].as_str()), (Some(5), Some(code)), "{text}");
    assert_eq!(error["details"]["rolled_back"], true, "{text}");
    assert_eq!(world.there(), Inventory::default(), "{point}: something of ours is left");
    assert!(!is_active(world, "acme"));
    is_settled(world, point);
}

#[test]
fn a_foreign_role_of_a_reserved_name_is_not_adopted_and_stays() {
    let world = World::new();
    let mut role = String::new();
    for column in ["owner_role", "app_role"] {
        gives_up(&world, "create.roles.before", "cluster_foreign", || {
            role = reserved(&world, column);
            world.sql("postgres", &format!("create role {role} login password 'not ours'"));
        });
        let still = format!("select rolname from pg_roles where rolname = '{role}' and rolcanlogin");
        assert_eq!(world.sql("postgres", &still), [role.clone()]);
        world.sql("postgres", &format!("drop role {role}"));
    }
    world.ok(&create("acme"));
}

#[test]
fn a_foreign_database_of_a_reserved_name_is_not_adopted_and_stays() {
    let world = World::new();
    let mut name = String::new();
    gives_up(&world, "create.database.before", "cluster_foreign", || {
        name = reserved(&world, "database_name");
        world.sql("postgres", &format!("create database {name} template template0"));
    });
    assert_eq!(world.sql(&name, "select current_database()"), [name.clone()]);
    world.sql("postgres", &format!("drop database {name}"));
    world.ok(&create("acme"));
}

#[test]
fn a_foreign_bucket_of_a_reserved_name_is_not_adopted_and_stays() {
    let world = World::new();
    let mut name = String::new();
    gives_up(&world, "create.bucket.before", "store_foreign", || {
        name = reserved(&world, "bucket");
        let status = change_store(&world, "PUT", &format!("buckets/{name}"), &somebody_elses(&world));
        assert!(status.contains("201"), "{status}");
    });
    let owner = world.store(&format!("buckets/{name}"))["owner"].as_str().unwrap().to_owned();
    assert_eq!(owner, format!("other:{}", world.id));
    change_store(&world, "DELETE", &format!("buckets/{name}"), &somebody_elses(&world));
    world.ok(&create("acme"));
}

/// A delete that meets what is not ours refuses before it destroys anything.
fn refuses_to_delete(world: &World) {
    let (code, error) = world.error(&delete("acme"));
    assert_eq!((code, error["code"].as_str()), (5, Some("cluster_foreign")), "{error}");
}

#[test]
fn a_delete_drops_no_database_whose_mark_was_changed() {
    let world = World::new();
    world.ok(&create("acme"));
    let (name, bucket) = (reserved(&world, "database_name"), reserved(&world, "bucket"));
    let mark = world.sql(
        "postgres",
        &format!("select shobj_description(oid, 'pg_database') from pg_database where datname = '{name}'"),
    );
    world.sql("postgres", &format!("comment on database {name} is 'somebody else has it now'"));
    refuses_to_delete(&world);
    assert_eq!(world.sql(&name, "select count(*) from nexus.roles"), ["4"]);
    assert!(world.there().buckets.contains(&bucket), "the bucket went before the refusal");
    world.sql("postgres", &format!("comment on database {name} is '{}'", mark[0]));
    repair_settles(&world, "a delete that was refused");
    assert!(!is_active(&world, "acme"));
}

#[test]
fn a_delete_drops_no_role_that_took_the_name_of_ours() {
    let world = World::new();
    world.ok(&create("acme"));
    let role = reserved(&world, "app_role");
    world.sql("postgres", &format!("alter role {role} rename to {role}_away; create role {role}"));
    refuses_to_delete(&world);
    assert_eq!(
        world.sql("postgres", &format!("select count(*) from pg_roles where rolname like '{role}%'")),
        ["2"]
    );
    assert_eq!(world.there().databases.len(), 1);
    world.sql("postgres", &format!("drop role {role}; alter role {role}_away rename to {role}"));
    repair_settles(&world, "a delete that was refused");
}

#[test]
fn a_delete_drops_no_database_that_took_the_name_of_ours() {
    let world = World::new();
    world.ok(&create("acme"));
    let name = reserved(&world, "database_name");
    world.sql("postgres", &format!("alter database {name} rename to {name}_away"));
    world.sql("postgres", &format!("create database {name} template template0"));
    refuses_to_delete(&world);
    assert_eq!(world.sql(&name, "select count(*) from pg_namespace where nspname = 'nexus'"), ["0"]);
    world.sql("postgres", &format!("drop database {name}"));
    world.sql("postgres", &format!("alter database {name}_away rename to {name}"));
    repair_settles(&world, "a delete that was refused");
}

#[test]
fn a_delete_drops_no_bucket_that_took_the_name_of_ours() {
    let world = World::new();
    world.ok(&create("acme"));
    let (name, mark) = (reserved(&world, "bucket"), format!("nexus:{}:{}", world.id, reserved(&world, "id")));
    let ours = serde_json::json!({ "owner": mark, "fence": 1_000_000, "purge": true });
    change_store(&world, "DELETE", &format!("buckets/{name}"), &ours);
    change_store(&world, "PUT", &format!("buckets/{name}"), &somebody_elses(&world));
    let (code, error) = world.error(&delete("acme"));
    assert_eq!((code, error["code"].as_str()), (5, Some("store_foreign")), "{error}");
    let _ = open_operation(&world);
    assert_eq!(
        world.store(&format!("buckets/{name}"))["owner"].as_str(),
        Some(format!("other:{}", world.id).as_str())
    );
    change_store(&world, "DELETE", &format!("buckets/{name}"), &somebody_elses(&world));
    repair_settles(&world, "a delete that was refused");
}
