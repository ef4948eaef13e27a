//! Many tenants from one file.

use serde_json::Value;

use crate::support::world::World;

fn rows(stdout: &[u8]) -> Vec<Value> {
    serde_json::from_slice(stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(stdout)))
}

#[test]
fn a_csv_file_and_json_lines_make_the_same_tenants() {
    let world = World::new();
    let csv =
        "slug,name,admin_email,labels\nash,\"Ash, Ltd\",ann@ash.example,plan=gold;region=eu\nbirch,,,\n";
    std::fs::write(world.machine().path("work/tenants.csv"), csv).unwrap();
    let made = world.json(&["tenant", "create", "--from", "tenants.csv", "--jobs", "2"]);
    assert_eq!(made.as_array().unwrap().len(), 2);
    let lines = "{\"slug\":\"ash\",\"name\":\"Ash, Ltd\",\"admin_email\":\"ann@ash.example\",\
                 \"labels\":{\"plan\":\"gold\",\"region\":\"eu\"}}\n\n{\"slug\":\"cedar\"}\n";
    let output = world.machine().output(&["-o", "json", "tenant", "create", "--from", "-"], lines);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut seen: Vec<_> = rows(&output.stdout)
        .iter()
        .map(|row| (row["line"].as_u64().unwrap(), row["slug"].clone(), row["outcome"].clone()))
        .collect();
    seen.sort_by_key(|row| row.0);
    assert_eq!(seen, [(1, "ash".into(), "unchanged".into()), (3, "cedar".into(), "created".into())]);
    let shown = world.json(&["tenant", "show", "birch"]);
    assert_eq!((&shown["name"], &shown["admin_email"]), (&Value::from("birch"), &Value::Null));
    assert_eq!(world.there(), world.believed());
}

#[test]
fn one_wrong_line_and_nothing_is_made() {
    let world = World::new();
    for (file, expected) in [
        ("slug,name\nash,Ash\nBirch!,B\n", "line 3"),
        ("slug,nme\nash,Ash\n", "did you mean name?"),
        ("slug\nash\nash\n", "line 3: slug ash is on line 2 already"),
        ("slug,labels\nash,plan\n", "line 2"),
        ("slug,admin_email\nash,nobody\n", "line 2"),
        ("slug,name\nash\n", "line 2"),
        ("name\nAsh\n", "the header has no field slug"),
        ("", "lists no tenant"),
        ("slug\n", "lists no tenant"),
        ("{\"slug\":\"ash\"}\n{\"slug\":\"birch\",\"plan\":\"gold\"}\n", "line 2"),
        ("{\"slug\":\"ash\"}\n{nonsense\n", "line 2"),
    ] {
        let output = world.machine().output(&["-o", "json", "tenant", "create", "--from", "-"], file);
        assert_eq!(output.status.code(), Some(2), "{file:?}");
        let seen: Value = serde_json::from_slice(&output.stderr).unwrap();
        assert!(seen["error"]["message"].as_str().unwrap().contains(expected), "{file:?}: {seen}");
    }
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["0"]);
    assert_eq!(world.error(&["tenant", "create", "--from", "nowhere.csv"]).0, 2);
}

#[test]
fn a_line_that_is_too_long_is_refused_and_not_repeated() {
    let world = World::new();
    let file = format!("slug,name\nash,Ash\nbirch,{}\n", "a".repeat(1 << 20));
    let output = world.machine().output(&["tenant", "create", "--from", "-"], &file);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("line 3 of standard input is longer than") && said.len() < 1000, "{said}");
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["0"]);
}

#[test]
fn what_can_be_made_is_made_and_each_line_has_its_row() {
    let world = World::new();
    world.ok(&["tenant", "create", "birch", "--name", "Another"]);
    let file = "slug,name\nash,\nbirch,Birch\ncedar,\n";
    let output = world.machine().output(&["-o", "json", "tenant", "create", "--from", "-"], file);
    assert_eq!(output.status.code(), Some(6));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "some_failed");
    assert_eq!(error["error"]["details"], serde_json::json!({ "failed": 1, "skipped": 0, "total": 3 }));
    let mut seen: Vec<_> =
        rows(&output.stdout).iter().map(|row| (row["slug"].clone(), row["outcome"].clone())).collect();
    seen.sort_by_key(|row| row.0.to_string());
    let expected = [("ash", "created"), ("birch", "failed"), ("cedar", "created")];
    assert_eq!(seen, expected.map(|(slug, outcome)| (slug.into(), outcome.into())));
    let birch = rows(&output.stdout).into_iter().find(|row| row["slug"] == "birch").unwrap();
    assert_eq!(birch["code"], "tenant_exists");
    assert_eq!(world.there(), world.believed());
}

#[test]
fn after_so_many_failures_no_more_are_begun() {
    let world = World::new();
    for slug in ["ash", "birch"] {
        world.ok(&["tenant", "create", slug, "--name", "Another"]);
    }
    let args = ["-o", "json", "tenant", "create", "--from", "-", "--jobs", "1", "--max-failures", "2"];
    let output = world.machine().output(&args, "slug,name\nash,Ash\nbirch,Birch\ncedar,\ndate,\n");
    assert_eq!(output.status.code(), Some(6));
    let outcomes: Vec<_> = rows(&output.stdout).iter().map(|row| row["outcome"].clone()).collect();
    assert_eq!(outcomes, ["failed", "failed", "skipped", "skipped"]);
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["2"]);
}
