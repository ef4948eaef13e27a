//! Giving a tenant another slug.

use serde_json::json;

use crate::support::world::World;

#[test]
fn a_renamed_tenant_keeps_everything_but_its_slug() {
    let world = World::new();
    let made = world.json(&["tenant", "create", "acme"]);
    let before = world.env("acme");
    let renamed = world.json(&["tenant", "rename", "acme", "apex"]);
    assert_eq!(
        renamed,
        json!({ "id": made["id"], "outcome": "renamed", "slug": "apex", "former_slug": "acme" })
    );
    let mut after = world.env("apex");
    assert_eq!(after["NEXUS_TENANT"], "apex");
    after["NEXUS_TENANT"] = "acme".into();
    assert_eq!(after, before);
    let shown = world.json(&["tenant", "show", "apex"]);
    assert_eq!((&shown["id"], &shown["former_slugs"]), (&made["id"], &json!(["acme"])));
    let recorded = world.control_sql("select detail from control.audit_log where action = 'tenant.rename'");
    let recorded: Vec<serde_json::Value> =
        recorded.iter().map(|row| serde_json::from_str(row).unwrap()).collect();
    assert_eq!(recorded, [json!({ "slug": "apex", "former_slug": "acme" })]);
    assert_eq!(world.there(), world.believed());
}

fn fleet(world: &World, slugs: &[&str]) {
    for slug in slugs {
        world.control_sql(&format!(
            "insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role, app_role, bucket)
             values (gen_random_uuid(), '{slug}', '{slug}', 'active', 'default', 'default', 'd-{slug}', 'o-{slug}', 'a-{slug}', 'b-{slug}')"
        ));
    }
}

#[test]
fn who_names_it_by_its_old_slug_is_told_the_new_one_for_thirty_days() {
    let world = World::new();
    fleet(&world, &["acme"]);
    world.ok(&["tenant", "rename", "acme", "apex"]);
    let (code, error) = world.error(&["tenant", "env", "acme"]);
    let today = world.control_sql("select (now() at time zone 'utc')::date").remove(0);
    assert_eq!((code, &error["code"]), (4, &"tenant_renamed".into()));
    assert_eq!(error["message"], "no tenant \"acme\": it is called apex now");
    assert_eq!(error["hint"], format!("acme is now called apex since {today}: nexus tenant show apex"));
    // Renamed again: every former slug leads to what it is called now.
    world.ok(&["tenant", "rename", "apex", "aphid"]);
    assert_eq!(world.error(&["tenant", "show", "acme"]).1["details"]["slug"], "aphid");
    assert_eq!(world.json(&["tenant", "show", "aphid"])["former_slugs"], json!(["apex", "acme"]));
    world.control_sql("update control.retired_slugs set retired_at = now() - interval '31 days'");
    assert_eq!(world.error(&["tenant", "show", "acme"]).1["code"], "tenant_not_found");
    assert_eq!(world.json(&["tenant", "show", "aphid"])["former_slugs"], json!([]));
}

#[test]
fn a_slug_that_was_given_up_can_be_taken_and_then_leads_to_its_new_tenant_alone() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    world.ok(&["tenant", "rename", "acme", "apex"]);
    let made = world.json(&["tenant", "create", "acme"]);
    assert_eq!(made["outcome"], "created");
    assert_eq!(world.json(&["tenant", "show", "apex"])["former_slugs"], json!([]));
    world.ok(&["tenant", "rename", "acme", "aphid"]);
    world.ok(&["tenant", "rename", "apex", "acme"]);
    assert_eq!(world.json(&["tenant", "show", "aphid"])["former_slugs"], json!([]));
    assert_eq!(world.error(&["tenant", "show", "apex"]).1["details"]["slug"], "acme");
    world.ok(&["tenant", "delete", "acme", "--purge", "--yes", "--confirm", "acme"]);
    assert_eq!(world.error(&["tenant", "show", "apex"]).1["code"], "tenant_not_found");
}

#[test]
fn the_same_rename_again_finds_it_done() {
    let world = World::new();
    fleet(&world, &["acme"]);
    world.ok(&["tenant", "rename", "acme", "apex"]);
    for name in ["acme", "apex"] {
        let again = world.json(&["tenant", "rename", name, "apex"]);
        assert_eq!((&again["outcome"], &again["slug"]), (&"unchanged".into(), &"apex".into()));
    }
    assert_eq!(
        world.control_sql("select count(*) from control.audit_log where action = 'tenant.rename'"),
        ["1"]
    );
}

#[test]
fn a_tenant_can_have_its_former_slug_back() {
    let world = World::new();
    fleet(&world, &["acme"]);
    world.ok(&["tenant", "rename", "acme", "apex"]);
    world.ok(&["tenant", "rename", "apex", "acme"]);
    assert_eq!(world.json(&["tenant", "show", "acme"])["former_slugs"], json!(["apex"]));
}

#[test]
fn a_slug_that_is_taken_or_can_be_none_is_refused() {
    let world = World::new();
    fleet(&world, &["acme", "apex"]);
    let (code, error) = world.error(&["tenant", "rename", "acme", "apex"]);
    assert_eq!((code, &error["code"]), (5, &"slug_taken".into()));
    assert_eq!(world.error(&["--dry-run", "tenant", "rename", "acme", "apex"]).0, 5);
    for slug in ["Apex", "a", "postgres", "apex-"] {
        assert_eq!(world.error(&["tenant", "rename", "acme", slug]).0, 2, "{slug}");
    }
    assert_eq!(world.error(&["tenant", "rename", "nobody", "somebody"]).0, 4);
    assert_eq!(world.ok(&["-o", "id", "tenant", "list"]), "acme\napex\n");
}

#[test]
fn a_dry_run_writes_nothing() {
    let world = World::new();
    fleet(&world, &["acme"]);
    let planned = world.json(&["--dry-run", "tenant", "rename", "acme", "apex"]);
    assert_eq!((&planned["outcome"], &planned["slug"]), (&"planned".into(), &"apex".into()));
    assert_eq!(world.ok(&["-o", "id", "tenant", "list"]), "acme\n");
    assert_eq!(world.control_sql("select count(*) from control.retired_slugs"), ["0"]);
}

/// Starts commands at the same time; their exit codes, the lowest first.
fn race(world: &World, commands: &[Vec<String>]) -> Vec<i32> {
    let started: Vec<_> = commands
        .iter()
        .map(|args| {
            let args: Vec<&str> = args.iter().map(String::as_str).collect();
            world.command(&args).spawn().unwrap()
        })
        .collect();
    let mut codes: Vec<i32> =
        started.into_iter().map(|child| child.wait_with_output().unwrap().status.code().unwrap()).collect();
    codes.sort_unstable();
    codes
}

fn words(line: &str) -> Vec<String> {
    line.split(' ').map(str::to_owned).collect()
}

#[test]
fn of_many_renames_to_one_slug_one_wins() {
    let world = World::new();
    let slugs: Vec<String> = (0..8).map(|n| format!("racer-{n}")).collect();
    fleet(&world, &slugs.iter().map(String::as_str).collect::<Vec<_>>());
    let commands: Vec<_> = slugs.iter().map(|slug| words(&format!("tenant rename {slug} winner"))).collect();
    assert_eq!(race(&world, &commands), [0, 5, 5, 5, 5, 5, 5, 5]);
    let one = "select count(*) from control.tenants where slug = 'winner'";
    assert_eq!(world.control_sql(one), ["1"]);
    assert_eq!(world.control_sql("select count(*) from control.retired_slugs"), ["1"]);
}

#[test]
fn of_a_rename_and_a_create_of_one_slug_one_wins() {
    let world = World::new();
    for round in 0..4 {
        world.ok(&["tenant", "create", &format!("old-{round}")]);
        let rename = words(&format!("tenant rename old-{round} new-{round}"));
        let create = words(&format!("tenant create new-{round}"));
        assert_eq!(race(&world, &[rename, create]), [0, 5], "round {round}");
    }
    assert_eq!(world.there(), world.believed());
}

#[test]
fn the_slug_of_a_tenant_that_is_being_made_is_taken() {
    let world = World::new();
    fleet(&world, &["acme"]);
    let paused = world.paused_at("create.reserve.after", &["tenant", "create", "apex"]);
    assert_eq!(world.error(&["tenant", "rename", "acme", "apex"]).0, 5);
    assert!(paused.go_on().status.success());
    assert_eq!(world.there().databases.len(), 1);
}

#[test]
fn two_renames_of_one_tenant_do_not_follow_each_other() {
    let world = World::new();
    fleet(&world, &["acme"]);
    let commands = ["tenant rename acme apex", "tenant rename acme aphid"].map(words);
    assert_eq!(race(&world, &commands), [0, 4]);
}
