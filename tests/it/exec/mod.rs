//! One statement over the fleet.

use std::io::{BufRead, BufReader};
use std::process::Command;

use serde_json::{Value, json};

use crate::inspection::tenants;
use crate::support::world::World;

mod exact;
mod failures;
mod read_only;
mod writes;

/// Runs `nexus exec`: its exit code, its lines, what it says.
pub fn exec(world: &World, args: &[&str]) -> (i32, Vec<Value>, String) {
    let args: Vec<&str> = ["exec"].iter().chain(args).copied().collect();
    let output = world.run(&args);
    let text = String::from_utf8(output.stdout).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    (output.status.code().unwrap(), lines, String::from_utf8(output.stderr).unwrap())
}

/// A tenant's database.
pub fn database(world: &World, slug: &str) -> String {
    world.control_sql(&format!("select database_name from control.tenants where slug = '{slug}'")).remove(0)
}

/// Lines in the order of their tenants.
pub fn sorted(mut lines: Vec<Value>) -> Vec<Value> {
    lines.sort_by_key(|line| line["tenant"].as_str().unwrap().to_owned());
    lines
}

#[test]
fn rows_come_as_lines_with_their_tenant_each_read_by_its_own_login() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    let (code, lines, said) = exec(&world, &["--all", "--", "select current_user as who, 1 as n"]);
    assert_eq!(code, 0, "{said}");
    let roles = world.control_sql("select app_role from control.tenants order by slug");
    let expected: Vec<Value> = roles
        .iter()
        .zip(1..)
        .map(|(role, n)| json!({ "tenant": format!("t-{n:03}"), "row": { "who": role, "n": 1 } }))
        .collect();
    assert_eq!(sorted(lines), expected);
    let (_, lines, _) = exec(&world, &["t-002", "t-001", "--", "select 1 as one"]);
    assert_eq!(lines.len(), 2);
    let (_, lines, _) = exec(&world, &["--where", "slug=t-003", "--", "select 1 as one"]);
    assert_eq!(lines, [json!({ "tenant": "t-003", "row": { "one": 1 } })]);
}

#[test]
fn every_type_is_as_the_server_writes_it_in_the_order_of_the_columns() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let statement = "select 'b' as z, 12.50::numeric as a, null as nothing, array[1, 2] as list,
        '2026-01-02 03:04:05+00'::timestamptz as at, '{\"k\":\n 1}'::json as document, true as yes,
        int4range(1, 3) as span, '\\x00ff'::bytea as bytes, 'line
break' as text -- a comment
        ;";
    let output = world.ok(&["exec", "t-001", "--", statement]);
    assert_eq!(
        output,
        concat!(
            r#"{"tenant":"t-001","row":{"z":"b","a":12.50,"nothing":null,"list":[1,2],"#,
            r#""at":"2026-01-02T03:04:05+00:00","document":{"k":  1},"yes":true,"span":"[1,3)","bytes":"\\x00ff","#,
            r#""text":"line\nbreak"}}"#,
            "\n"
        )
    );
    let (_, lines, _) = exec(&world, &["t-001", "--", "show server_encoding"]);
    assert_eq!(lines, [json!({ "tenant": "t-001", "row": { "server_encoding": "UTF8" } })]);
    let (_, lines, _) = exec(&world, &["t-001", "--", "values (1), (2)"]);
    assert_eq!(lines.len(), 2);
    let (_, lines, _) = exec(&world, &["t-001", "--", "table nexus.roles"]);
    assert_eq!(lines.len(), 4);
}

#[test]
fn other_formats_are_one_list() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let rows = world.json(&["exec", "--all", "--jobs", "1", "--", "select 1 as one"]);
    assert_eq!(
        rows,
        json!([{ "tenant": "t-001", "row": { "one": 1 } }, { "tenant": "t-002", "row": { "one": 1 } }])
    );
    let csv = world.ok(&["-o", "csv", "exec", "t-001", "--", "select 1 as one"]);
    assert_eq!(csv, "tenant,row,rows_affected,error\nt-001,\"{\"\"one\"\":1}\",,\n");
}

#[test]
fn a_statement_comes_from_a_file_or_standard_input() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let file = world.machine().path("work/report.sql");
    std::fs::write(&file, "-- a report\nselect 7 as n;\n").unwrap();
    let (_, lines, _) = exec(&world, &["t-001", "--file", "report.sql"]);
    assert_eq!(lines, [json!({ "tenant": "t-001", "row": { "n": 7 } })]);
    let output = world.machine().output(&["exec", "t-001", "--file", "-"], "select 8 as n");
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "{\"tenant\":\"t-001\",\"row\":{\"n\":8}}\n");
    let (code, error) = world.error(&["exec", "t-001", "--", " ; -- nothing"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("no_statement")));
    let (code, error) = world.error(&["exec", "t-001", "--", "copy nexus.settings to stdout"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("copy_refused")));
}

#[test]
fn many_rows_need_no_more_memory_than_few() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let most = |rows: usize| {
        let statement = format!("select repeat('x', 1000) as x from generate_series(1, {rows})");
        let mut child = world.command(&["exec", "t-001", "--", &statement]).spawn().unwrap();
        let (id, lines) = (child.id().to_string(), BufReader::new(child.stdout.take().unwrap()).lines());
        let mut most = 0;
        for (number, line) in lines.enumerate() {
            line.unwrap();
            // More than a pipe holds is still to come: it lives.
            if number % (rows / 10) == rows / 20 {
                let said = Command::new("ps").args(["-o", "rss=", "-p", &id]).output().unwrap().stdout;
                most = most.max(String::from_utf8(said).unwrap().trim().parse::<u64>().unwrap());
            }
        }
        assert!(child.wait().unwrap().success());
        most
    };
    let (few, many) = (most(5000), most(200_000));
    assert!(many < few + 16 * 1024, "{few} kB for 5,000 rows, {many} kB for 200,000");
}
