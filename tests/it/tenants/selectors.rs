//! Choosing tenants by conditions.

use crate::support::world::World;

/// Rows without anything behind them: a selector reads the control database alone.
fn world() -> World {
    let world = World::new();
    world.control_sql(
        "insert into control.clusters (name, host, port, login, database, tls)
         values ('eu1', 'eu1.example', 5432, 'nexus', 'postgres', 'disable')",
    );
    world.control_sql(
        "insert into control.tenants (id, slug, name, state, labels, cluster, store, database_name, owner_role,
                                      app_role, bucket, created_at)
         select gen_random_uuid(), slug, name, state, labels::jsonb, cluster, 'default', 'd-' || slug, 'o-' || slug,
                'a-' || slug, 'b-' || slug, created_at::timestamptz
         from (values
           ('ash',    'Ash Ltd',     'active',       '{\"tier\": \"gold\", \"region\": \"eu\"}', 'default', '2026-01-31 23:59:59.9Z'),
           ('beech',  'Beech & Son', 'active',       '{\"tier\": \"silver\"}',                   'eu1',     '2026-02-01 00:00:00Z'),
           ('birch',  '100% Birch',  'deleting',     '{\"tier\": \"\"}',                         'eu1',     '2026-02-01 12:00:00Z'),
           ('cedar',  'Cedar',       'provisioning', '{}',                                       'default', '2026-02-02 00:00:00Z'),
           ('date',   'Date, Inc.',  'active',       '{\"a,b\": \"x\", \"c\": \"one,two\"}',       'default', (now() - interval '2 days')::text),
           ('elm',    'Elm',         'deleted',      '{\"tier\": \"gold\"}',                     'default', '2026-02-01 00:00:00Z')
         ) as rows (slug, name, state, labels, cluster, created_at)",
    );
    world
}

fn slugs(world: &World, conditions: &[&str]) -> Vec<String> {
    let mut args = vec!["-o", "id", "tenant", "list"];
    args.extend(conditions.iter().flat_map(|condition| ["--where", condition]));
    world.ok(&args).lines().map(str::to_owned).collect()
}

#[test]
fn each_condition_finds_what_it_says() {
    let world = world();
    for (condition, expected) in [
        ("state=active", "ash beech date"),
        ("status=active|deleting", "ash beech birch date"),
        ("state!=active", "birch cedar"),
        ("state=deleted", "elm"),
        ("state!=deleted", "ash beech birch cedar date"),
        ("cluster=eu1", "beech birch"),
        ("cluster!=eu1", "ash cedar date"),
        ("cluster=e*|nowhere", "beech birch"),
        ("store=default", "ash beech birch cedar date"),
        ("slug=b*", "beech birch"),
        ("slug=*e*h|ash", "ash beech"),
        ("slug!=b*|ash", "cedar date"),
        ("name=Ash Ltd", "ash"),
        ("name=*%*", "birch"),
        ("name=*\\, *", "date"),
        ("created<2026-02-01", "ash"),
        ("created<=2026-02-01", "ash beech birch"),
        ("created=2026-02-01", "beech birch"),
        ("created!=2026-02-01", "ash cedar date"),
        ("created>2026-02-01", "cedar date"),
        ("created>=2026-02-01T12:00:00Z", "birch cedar date"),
        ("created>7d", "date"),
        ("created<7d", "ash beech birch cedar"),
        ("label.tier", "ash beech birch"),
        ("!label.tier", "cedar date"),
        ("label.tier=gold", "ash"),
        ("label.tier=gold|silver", "ash beech"),
        ("label.tier=", "birch"),
        ("label.tier!=gold", "beech birch cedar date"),
        ("region=eu", "ash"),
        ("c=one\\,two", "date"),
        ("label.tier=gold,state=deleted", "elm"),
    ] {
        assert_eq!(slugs(&world, &[condition]).join(" "), expected, "{condition}");
    }
}

#[test]
fn a_suspension_is_found_by_its_reason_its_time_and_who_asked_for_it() {
    let world = world();
    world.control_sql(
        "update control.tenants set state = 'suspended', suspension_reason = 'unpaid 17', suspended_by = 'machine:ann',
                suspended_at = now() - interval '2 hours' where slug in ('ash', 'elm')",
    );
    world.control_sql(
        "update control.tenants set state = 'suspended', suspension_reason = 'abuse', suspended_by = 'machine:bob',
                suspended_at = now() - interval '5 minutes' where slug = 'beech'",
    );
    // A suspension that is over is none.
    world.control_sql(
        "update control.tenants set suspension_reason = 'abuse', suspended_by = 'machine:bob', suspended_at = now()
         where slug = 'date'",
    );
    world.control_sql("update control.tenants set state = 'deleted' where slug = 'elm'");
    for (condition, expected) in [
        ("reason=abuse", "beech"),
        ("reason=unpaid*", "ash"),
        ("reason=unpaid*|abuse", "ash beech"),
        ("reason!=abuse", "ash"),
        ("suspended>10m", "beech"),
        ("suspended<1h", "ash"),
        ("suspended>2026-01-31", "ash beech"),
        ("suspended_at<=2026-01-31", ""),
        ("suspended_by=machine:bob", "beech"),
        ("by!=machine:bob", "ash"),
        ("by=machine:*,suspended<1h,region=eu", "ash"),
    ] {
        assert_eq!(slugs(&world, &[condition]).join(" "), expected, "{condition}");
        let sorted =
            ["-o", "id", "tenant", "list", "--where", condition, "--sort", "-created", "--limit", "9"];
        assert_eq!(world.ok(&sorted).lines().count(), expected.split_whitespace().count(), "{condition}");
    }
    for (condition, message) in [
        ("reason", "reason needs a value"),
        ("suspended=10m", "suspended takes <, <=, > and >="),
        ("suspended>soon", "\"soon\" is not a time"),
        ("reson!=x", "tenants cannot be selected by \"reson\""),
    ] {
        let (code, error) = world.error(&["tenant", "list", "--where", condition]);
        assert!(code == 2 && error["message"].as_str().unwrap().contains(message), "{condition}: {error}");
    }
}

#[test]
fn all_conditions_must_be_met_however_they_are_written() {
    let world = world();
    assert_eq!(slugs(&world, &["state=active,label.tier=gold|silver", "cluster=eu1"]), ["beech"]);
    assert_eq!(slugs(&world, &["label.tier=gold", "label.tier=silver"]), Vec::<String>::new());
    let args = ["-o", "id", "tenant", "list", "--state", "active", "--where", "slug=*e*", "--search", "SON"];
    assert_eq!(world.ok(&args), "beech\n");
}

#[test]
fn a_condition_that_makes_no_sense_is_refused_with_what_was_meant() {
    let world = World::new();
    for (condition, message, hint) in [
        ("clster!=eu1", "tenants cannot be selected by \"clster\"", "did you mean cluster or label.clster?"),
        ("plan!=gold", "tenants cannot be selected by \"plan\"", "did you mean label.plan?"),
        ("lable.tier=gold", "tenants cannot be selected by \"lable.tier\"", "did you mean label.tier?"),
        ("state=actve", "\"actve\" is not a state", "did you mean active?"),
        ("cluster", "cluster needs a value", ""),
        ("cluster<eu1", "cluster takes = and !=, not \"<\"", ""),
        ("created<yesterday", "\"yesterday\" is not a time", ""),
        ("state=active,", "a condition is missing", ""),
    ] {
        let (code, error) = world.error(&["tenant", "list", "--where", condition]);
        assert_eq!((code, &error["code"]), (2, &"usage".into()), "{condition}: {error}");
        assert!(error["message"].as_str().unwrap().contains(message), "{condition}: {error}");
        assert!(error["hint"].as_str().unwrap().contains(hint), "{condition}: {error}");
    }
}

#[test]
fn a_list_that_is_empty_for_a_slip_says_so() {
    let world = World::new();
    let output = world.run(&["tenant", "list", "--where", "clster=eu1"]);
    assert!(output.status.success());
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("clster was taken for a label; did you mean cluster?"), "{said}");
}

#[test]
fn what_is_selected_is_repaired_and_nothing_else() {
    let world = World::new();
    world.ok(&["tenant", "create", "ash", "--label", "tier=gold"]);
    world.ok(&["tenant", "create", "birch"]);
    for slug in ["ash", "birch"] {
        let role = world.control_sql(&format!("select app_role from control.tenants where slug = '{slug}'"));
        world.sql("postgres", &format!("alter role \"{}\" nologin", role[0]));
    }
    let fixed = |args: &[&str]| -> Vec<String> {
        let rows = world.json(args);
        rows.as_array().unwrap().iter().map(|row| row["tenant"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(fixed(&["--dry-run", "tenant", "repair", "--where", "!label.tier"]), ["birch"]);
    assert_eq!(fixed(&["tenant", "repair", "--where", "label.tier=gold"]), ["ash"]);
    assert_eq!(fixed(&["tenant", "repair", "ash", "birch"]), ["birch"]);
    assert!(fixed(&["tenant", "repair", "--all"]).is_empty());
}

#[test]
fn tenants_are_chosen_in_one_way_only() {
    let world = World::new();
    for args in [
        &["tenant", "repair"][..],
        &["tenant", "repair", "ash", "--all"],
        &["tenant", "repair", "ash", "--where", "region=eu"],
        &["tenant", "repair", "--all", "--where", "region=eu"],
    ] {
        assert_eq!(world.error(args).0, 2, "{args:?}");
    }
}
