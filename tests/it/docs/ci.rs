//! `docs/ci.md`: every command on it, and the job, work as they stand, in their order.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::blocks;
use crate::support::world::World;

#[test]
fn the_commands_of_the_page_and_its_job_work_as_they_stand() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/ci.md");
    let page = fs::read_to_string(page).unwrap();
    let world = World::new();
    let machine = world.machine();
    for slug in ["acme", "beta", "gamma"] {
        world.ok(&["tenant", "create", slug]);
    }
    let folder = machine.path("work");
    let migrations = folder.join("migrations");
    fs::create_dir_all(&migrations).unwrap();
    let file = |name: &str, text: &str| fs::write(migrations.join(name), text).unwrap();
    file(
        "20260101000000_orders.up.sql",
        "create table orders (id bigint primary key, note text not null);\n",
    );
    file("20260101000000_orders.down.sql", "drop table orders;\n");
    let program = Path::new(env!("CARGO_BIN_EXE_nexus")).parent().unwrap();
    let run = |text: &str| {
        let mut shell = Command::new("sh");
        machine.furnish(&mut shell);
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.display())).current_dir(&folder);
        let output = shell.args(["-c", text]).stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{text}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let commands: Vec<String> = blocks(&page, "console")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| line.strip_prefix("$ ").expect("a command on each line").to_owned())
        .collect();
    assert!(commands.len() >= 10, "{}", commands.len());
    let mut last = String::new();
    for command in &commands[..11] {
        last = run(command);
    }
    assert!(last.contains("nothing_to_do"), "{last}");
    assert!(fs::read_to_string(folder.join("migrate.xml")).unwrap().contains("tests=\"3\""));
    file("20260102000000_more.up.sql", "alter table orders add column more text;\n");
    file("20260102000000_more.down.sql", "alter table orders drop column more;\n");
    let scripts = blocks(&page, "sh");
    assert!(run(&scripts[0]).contains("every tenant is at the newest version"));
    let report = fs::read_to_string(folder.join("migrate.json")).unwrap();
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["outcome"], &report["run"]["waves"]), (&"done".into(), &3.into()));
    run(&scripts[1]);
    for command in &commands[11..] {
        run(command);
    }
    let database =
        world.control_sql("select database_name from control.tenants where slug = 'beta'").remove(0);
    assert_eq!(world.sql(&database, "select version from public._sqlx_migrations"), ["20260101000000"]);
}
