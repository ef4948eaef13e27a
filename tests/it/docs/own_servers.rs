//! `docs/own-servers.md`: every command on it works as it stands, in its order.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::blocks;
use crate::support::garage;
use crate::support::machine::Machine;
use crate::support::private::Private;

#[test]
fn the_commands_of_the_page_work_as_they_stand() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/own-servers.md");
    let page = fs::read_to_string(page).unwrap();
    let (first, second, garage) = (Private::start(), Private::start(), garage::shared());
    let here = |text: &str| {
        let (one, two) = (first.stack(), second.stack());
        text.replace(
            "host = \"pg1.example\"\nport = 5432",
            &format!("host = \"{}\"\nport = {}", one.socket_dir, one.port),
        )
        .replace("--host pg2.example --port 5432", &format!("--host {} --port {}", two.socket_dir, two.port))
        .replace("http://garage.example:3900", &garage.s3_endpoint)
        .replace("http://garage.example:3903", &garage.admin_endpoint)
    };
    let settings = blocks(&page, "toml");
    assert_eq!(settings.len(), 1);
    let settings = here(&settings[0]);
    assert!(!settings.contains(".example"), "{settings}");
    let (server, login) = (first.stack(), "dune_app");
    server
        .sql("nexus", &server.password(), "postgres", "create role dune_app login password 'dune'")
        .unwrap();
    server.sql("nexus", &server.password(), "postgres", "create database dune owner dune_app").unwrap();
    let url =
        format!("postgres://{login}:dune@{}:{}/dune\n", server.socket_dir.replace('/', "%2F"), server.port);
    let machine = Machine::new()
        .with_settings(&settings)
        .with_file("work/pg1.password", &first.stack().password())
        .with_file("work/pg2.password", &second.stack().password())
        .with_file("work/garage.token", &garage.admin_token)
        .with_file("work/dune.dsn", &url);
    let commands: Vec<String> = blocks(&page, "console")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| here(line.strip_prefix("$ ").expect("a command on each line")))
        .collect();
    assert!(commands.len() > 30, "{}", commands.len());
    let program = Path::new(env!("CARGO_BIN_EXE_nexus")).parent().unwrap();
    for command in &commands {
        let mut shell = Command::new("sh");
        machine.furnish(&mut shell);
        shell.env("PATH", format!("{}:/usr/bin:/bin", program.display()));
        let output = shell.args(["-c", command]).stdin(Stdio::null()).output().unwrap();
        let said = [output.stderr, output.stdout].concat();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&said));
    }
    let left = server.sql("dune_app", "dune", "dune", "select count(*) from nexus.roles").unwrap();
    assert_eq!(left, ["4"], "the adopted database, used by its own login");
}
