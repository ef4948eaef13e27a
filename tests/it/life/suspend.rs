//! Suspending and resuming, as an operator sees it.

use super::{column, delete, resume, state, suspend, text};
use crate::crash::settled::{create, is_usable};
use crate::support::world::World;

#[test]
fn a_suspended_tenant_tells_why_and_gives_nothing_out() {
    let world = World::new();
    world.ok(&create("acme"));
    let rows = world.json(&suspend("acme"));
    assert_eq!((&rows[0]["outcome"], &rows[0]["state"]), (&"suspended".into(), &"suspended".into()));
    let shown = world.json(&["tenant", "show", "acme"]);
    assert_eq!(shown["state"], "suspended");
    assert_eq!(shown["suspension"]["reason"], "invoice 17 is not paid");
    assert!(shown["suspension"]["by"].as_str().unwrap().starts_with("machine:"), "{shown}");
    assert!(shown["suspension"]["at"].as_str().unwrap().ends_with('Z'), "{shown}");
    assert!(world.ok(&["tenant", "show", "acme"]).contains("suspension_reason\tinvoice 17 is not paid"));
    for args in [
        &["tenant", "env", "acme", "--reveal"][..],
        &["tenant", "psql", "acme"],
        &["tenant", "create", "acme"],
    ] {
        let args = if args[1] == "create" { create("acme") } else { args.to_vec() };
        let (code, error) = world.error(&args);
        assert_eq!((code, error["code"].as_str()), (5, Some("tenant_suspended")), "{args:?}");
        assert!(error["message"].as_str().unwrap().contains("invoice 17"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("nexus tenant resume acme"), "{error}");
    }
    assert_eq!(world.ok(&["-o", "id", "tenant", "list", "--state", "suspended"]).trim(), "acme");
    world.ok(&resume("acme"));
    let shown = world.json(&["tenant", "show", "acme"]);
    assert_eq!((&shown["state"], &shown["suspension"]), (&"active".into(), &serde_json::Value::Null));
    is_usable(&world, "acme", "resumed");
}

#[test]
fn what_is_so_already_is_left_as_it_is() {
    let world = World::new();
    world.ok(&create("acme"));
    assert_eq!(world.json(&resume("acme"))[0]["outcome"], "unchanged");
    world.ok(&suspend("acme"));
    let before = crate::crash::settled::snapshot(&world);
    let again = world.json(&["tenant", "suspend", "acme", "--reason", "another"]);
    assert_eq!(again[0]["outcome"], "unchanged");
    for verb in ["suspend", "resume"] {
        let mut args = vec!["--dry-run", "tenant", verb, "acme"];
        args.extend((verb == "suspend").then_some(["--reason", "x"]).into_iter().flatten());
        let expected = if verb == "suspend" { "unchanged" } else { "planned" };
        assert_eq!(world.json(&args)[0]["outcome"], expected);
    }
    assert_eq!(crate::crash::settled::snapshot(&world), before);
    assert_eq!(world.error(&["tenant", "suspend", "acme"]).0, 2, "a reason is needed");
    assert_eq!(world.error(&["tenant", "suspend", "acme", "--reason", ""]).0, 2);
}

#[test]
fn a_resumption_brings_back_exactly_what_was() {
    let world = World::new();
    world.ok(&create("acme"));
    let (role, database) = (column(&world, "acme", "app_role"), column(&world, "acme", "database_name"));
    let env = world.env("acme");
    let facts = || {
        let mut facts = world.sql(
            "postgres",
            &format!(
                "select rolcanlogin, rolconnlimit, rolpassword, rolvaliduntil, array_to_string(setconfig, ',')
                 from pg_authid left join pg_db_role_setting on setrole = oid where rolname = '{role}' order by 5"
            ),
        );
        facts.extend(world.sql(
            "postgres",
            &format!(
                "select datallowconn, datconnlimit, datacl from pg_database where datname = '{database}'"
            ),
        ));
        facts
    };
    // Limits and settings of every kind, made before the suspension and while it lasts.
    world.sql("postgres", "create role reporter_of_acme login");
    world.sql("postgres", &format!("grant connect on database {database} to reporter_of_acme"));
    world.sql("postgres", &format!("alter role {role} set work_mem to '8MB'"));
    world.ok(&suspend("acme"));
    world.sql(
        "postgres",
        &format!("alter role {role} connection limit 7; alter database {database} connection limit 9"),
    );
    world.sql("postgres", &format!("alter role {role} in database {database} set statement_timeout to '9s'"));
    let refused = world.sql_as("reporter_of_acme", "", &database, "select 1");
    assert!(refused.is_err(), "another login of the database was let in");
    let expected: Vec<String> = facts().iter().map(|row| row.replacen("f|", "t|", 1)).collect();
    world.ok(&resume("acme"));
    assert_eq!(facts(), expected);
    assert_eq!(world.env("acme"), env);
    let seen =
        world.sql_as(&text(&env, "PGUSER"), &text(&env, "PGPASSWORD"), &database, "show statement_timeout");
    assert_eq!(seen, Ok(vec!["9s".to_owned()]));
    world.sql("postgres", &format!("revoke connect on database {database} from reporter_of_acme"));
    world.sql("postgres", "drop role reporter_of_acme");
}

#[test]
fn many_are_suspended_each_by_itself() {
    let world = World::new();
    for slug in ["ash", "birch", "cedar"] {
        world.ok(&create(slug));
    }
    world.ok(&delete("cedar"));
    let args = ["tenant", "suspend", "ash", "cedar", "nobody", "birch", "--reason", "x", "--jobs", "2"];
    let output = world.run(&[&["-o", "json"], &args[..]].concat());
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    let mut rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    rows.sort_by_key(|row| row["slug"].as_str().unwrap().to_owned());
    let seen: Vec<_> =
        rows.iter().map(|row| (text(row, "slug"), text(row, "outcome"), row["code"].clone())).collect();
    let row =
        |slug: &str, outcome: &str, code: serde_json::Value| (slug.to_owned(), outcome.to_owned(), code);
    let expected = [
        row("ash", "suspended", serde_json::Value::Null),
        row("birch", "suspended", serde_json::Value::Null),
        row("cedar", "failed", "tenant_trashed".into()),
        row("nobody", "failed", "tenant_not_found".into()),
    ];
    assert_eq!(seen, expected);
    let resumed = world.json(&["tenant", "resume", "--where", "state=suspended", "--yes", "--confirm", "2"]);
    assert_eq!(resumed.as_array().unwrap().len(), 2);
    assert_eq!((state(&world, "ash"), state(&world, "cedar")), ("active".to_owned(), "trashed".to_owned()));
    // The trash is not part of all.
    let all = ["tenant", "suspend", "--all", "--reason", "x", "--yes", "--confirm", "2"];
    assert_eq!(world.json(&all).as_array().unwrap().len(), 2);
}

#[test]
fn who_did_it_and_why_is_in_the_audit_log() {
    let world = World::new();
    world.ok(&create("acme"));
    world.ok(&suspend("acme"));
    world.ok(&resume("acme"));
    let rows = world.control_sql(
        "select action, detail->>'reason', caller <> '', operation_id is not null from control.audit_log
         where action ~ 'suspend|resume' order by id",
    );
    assert_eq!(rows, ["tenant.suspend|invoice 17 is not paid|t|t", "tenant.resume||t|t"]);
}
