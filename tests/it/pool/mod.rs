//! Tenants that are made before anybody asks for them.

use std::collections::BTreeSet;

use super::crash::settled::{create, is_active, is_settled, is_usable, repair_settles};
use super::support::world::World;

fn with_pool(size: &str) -> World {
    let world = World::new();
    world.ok(&["pool", "set", "--size", size]);
    world.ok(&["pool", "fill"]);
    world
}

fn databases(world: &World, condition: &str) -> BTreeSet<String> {
    world
        .control_sql(&format!("select database_name from control.tenants where {condition}"))
        .into_iter()
        .collect()
}

#[test]
fn a_create_takes_a_ready_tenant_and_its_admin_is_invited() {
    let world = with_pool("2");
    let ready = databases(&world, "state = 'pooled'");
    assert_eq!(ready.len(), 2);
    assert_eq!(world.json(&["tenant", "list"]), serde_json::json!([]));
    let args = ["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--label", "plan=gold"];
    let made = world.json(&args);
    assert!(ready.contains(made["database"].as_str().unwrap()));
    assert_eq!(made["labels"]["plan"], "gold");
    assert_eq!(made["outcome"], "created");
    is_usable(&world, "acme", "claimed");
    let invited = "select state || ' ' || email from nexus.users";
    assert_eq!(world.sql(made["database"].as_str().unwrap(), invited), ["invited ann@acme.example"]);
    assert_eq!(world.json(&args)["outcome"], "unchanged");
    is_settled(&world, "claimed");
}

#[test]
fn when_the_pool_is_empty_a_tenant_is_made_as_ever() {
    let world = with_pool("1");
    let ready = databases(&world, "state = 'pooled'");
    for slug in ["ash", "birch"] {
        world.ok(&create(slug));
        is_usable(&world, slug, "made");
    }
    assert_eq!(databases(&world, "slug = 'ash'"), ready);
    assert_eq!(world.json(&["pool", "list"])[0]["ready"], 0);
    assert_eq!(world.json(&["pool", "fill"])[0]["created"], 1);
    assert_eq!(world.json(&["pool", "fill"])[0]["created"], 0);
}

#[test]
fn many_creates_at_once_never_share_a_ready_tenant() {
    let world = with_pool("3");
    let slugs = ["ash", "birch", "cedar", "elder", "fir"];
    let running: Vec<_> = slugs.iter().map(|slug| world.command(&create(slug)).spawn().unwrap()).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(databases(&world, "state = 'active'").len(), 5);
    assert_eq!(databases(&world, "state = 'pooled'").len(), 0);
    for slug in slugs {
        is_usable(&world, slug, "claimed in a race");
    }
}

#[test]
fn one_at_an_old_schema_version_is_never_given_away_and_is_replaced() {
    let world = with_pool("1");
    let old = databases(&world, "state = 'pooled'");
    world.control_sql("update control.tenants set schema_version = 1 where state = 'pooled'");
    world.ok(&create("ash"));
    assert_ne!(databases(&world, "slug = 'ash'"), old);
    let filled = world.json(&["pool", "fill"]);
    assert_eq!((&filled[0]["created"], &filled[0]["removed"]), (&1.into(), &1.into()));
    assert!(databases(&world, "state = 'pooled'").is_disjoint(&old));
    is_settled(&world, "refilled");
}

#[test]
fn a_pool_that_shrinks_gives_back_what_is_too_much() {
    let world = with_pool("2");
    world.ok(&["pool", "set", "--size", "0"]);
    assert_eq!(world.json(&["pool", "fill"])[0]["removed"], 2);
    assert_eq!(world.there(), world.believed());
    assert!(world.there().databases.is_empty());
}

#[test]
fn a_slug_that_is_taken_costs_no_ready_tenant() {
    let world = with_pool("1");
    world.ok(&["pool", "set", "--size", "0"]);
    world.ok(&create("ash"));
    world.ok(&["pool", "set", "--size", "1"]);
    world.ok(&["pool", "fill"]);
    let (code, error) = world.error(&["tenant", "create", "ash", "--label", "a=b"]);
    assert_eq!((code, error["code"].as_str()), (5, Some("tenant_exists")));
    assert_eq!(world.json(&["pool", "list"])[0]["ready"], 1);
}

fn steps(world: &World, kind: &str) -> Vec<String> {
    world.control_sql(&format!(
        "select distinct name from control.operation_steps join control.operations on operations.id = operation_id
         where kind = '{kind}' order by name"
    ))
}

#[test]
fn a_claim_killed_at_any_point_is_finished_by_a_repair() {
    let world = with_pool("1");
    let admin = ["--admin-email", "ann@acme.example"];
    let claim = |slug: &str| -> Vec<String> {
        ["tenant", "create", slug].into_iter().chain(admin).map(str::to_owned).collect()
    };
    let first = claim("first");
    world.ok(&first.iter().map(String::as_str).collect::<Vec<_>>());
    let mut points = vec!["claim.reserve.after".to_owned()];
    for step in steps(&world, "claim").iter().filter(|step| *step != "reserve") {
        points.extend(["before", "after"].map(|side| format!("claim.{step}.{side}")));
    }
    assert!(points.len() >= 13, "{points:?}");
    world.ok(&["pool", "set", "--size", &points.len().to_string()]);
    world.ok(&["pool", "fill", "--jobs", "4"]);
    for point in &points {
        let command = claim(&point.replace('.', "-"));
        world.killed_at(point, &command.iter().map(String::as_str).collect::<Vec<_>>());
    }
    repair_settles(&world, "claims killed at each point");
    for point in &points {
        let slug = point.replace('.', "-");
        assert!(is_active(&world, &slug), "{point}");
        is_usable(&world, &slug, point);
        let database = databases(&world, &format!("slug = '{slug}'")).pop_first().unwrap();
        assert_eq!(world.sql(&database, "select count(*) from nexus.users"), ["1"], "{point}");
    }
}

#[test]
fn a_claim_that_is_taken_back_leaves_nothing() {
    let world = with_pool("1");
    world.killed_at("claim.activate.before", &create("ash"));
    let id = world.json(&["operation", "list", "--open"])[0]["id"].as_str().unwrap().to_owned();
    world.ok(&["operation", "rollback", &id]);
    assert_eq!(world.there(), world.believed());
    assert!(world.there().databases.is_empty());
    world.ok(&create("ash"));
}

#[test]
fn a_filling_killed_at_any_point_is_finished_by_the_next() {
    let world = with_pool("1");
    let mut points = Vec::new();
    for step in steps(&world, "pool").iter().filter(|step| *step != "reserve") {
        points.extend(["before", "after"].map(|side| format!("pool.{step}.{side}")));
    }
    assert!(points.len() >= 18, "{points:?}");
    for (index, point) in points.iter().enumerate() {
        world.ok(&["pool", "set", "--size", &(index + 2).to_string()]);
        world.killed_at(point, &["pool", "fill", "--jobs", "1"]);
    }
    world.ok(&["pool", "fill", "--jobs", "1"]);
    is_settled(&world, "fillings killed at each point");
    let ready = world.json(&["pool", "list"])[0]["ready"].clone();
    assert_eq!(ready, points.len() + 1);
}
