//! `docs/first-app.md`: its commands and its app work as they stand, in their order.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use super::blocks;
use crate::contract::{folder, said};
use crate::support::api::ApiServer;
use crate::support::world::World;

/// What a test has running already, on a stack of its own.
const RUNNING: [&str; 2] = ["nexus local up", "nexus serve >serve.log &"];

#[test]
fn the_commands_of_the_page_and_its_app_work_as_they_stand() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/first-app.md");
    let page = fs::read_to_string(page).unwrap();
    let world = World::new();
    let machine = world.machine();
    let server = ApiServer::start(&world);
    let work = machine.path("work");
    let program = Path::new(env!("CARGO_BIN_EXE_nexus")).parent().unwrap();
    let path = std::env::var("PATH").unwrap();
    // The packages come from where scripts/contract has put them: a test asks no registry.
    let packages = folder("npm-cache");
    let run = |text: &str| {
        let mut shell = Command::new("sh");
        machine.furnish(&mut shell);
        shell.env("PATH", format!("{}:{path}", program.display())).current_dir(&work);
        shell.env("npm_config_cache", &packages).env("npm_config_offline", "true");
        shell.env("npm_config_audit", "false").env("npm_config_logs_max", "0");
        shell.env("NEXUS_URL", format!("http://{}", server.address));
        said(shell.args(["-c", text]).stdin(Stdio::null()))
    };
    fs::write(work.join("app.ts"), &blocks(&page, "ts")[0]).unwrap();
    let commands: Vec<String> = blocks(&page, "console")
        .iter()
        .flat_map(|block| block.lines().map(str::to_owned).collect::<Vec<_>>())
        .map(|line| line.strip_prefix("$ ").expect("a command on each line").to_owned())
        .collect();
    assert!(RUNNING.iter().all(|command| commands.iter().any(|known| known == command)), "{commands:?}");
    let mut last = String::new();
    for command in commands.iter().filter(|command| !RUNNING.contains(&command.as_str())) {
        last = run(command);
    }
    let written = &blocks(&page, "text")[0];
    assert_eq!(&last, written);
    let again = run(commands.last().unwrap());
    assert_eq!(again, written.replacen("created bob@acme.example", "not created: user_exists", 1));
}
