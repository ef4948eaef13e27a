use std::sync::atomic::{AtomicBool, Ordering};

use super::super::support::private::Private;
use super::super::support::world::World;

/// Four commands with more workers than the budget allows, on a server that nobody else uses: 30
/// tenants each, 125 with `NEXUS_TEST_ALL=1`.
#[test]
fn four_processes_together_never_pass_a_servers_budget() {
    let each = if std::env::var_os("NEXUS_TEST_ALL").is_some() { 125 } else { 30 };
    let world = World::new();
    let private = Private::on_small_disk(8000);
    let own = private.stack();
    let password = own.home.join("local/postgres.password");
    let args = ["cluster", "add", "eu2", "--host", &own.socket_dir, "--port", &own.port, "--user", "nexus"];
    let more = ["--password-file", password.to_str().unwrap(), "--connections", "40"];
    world.ok(&args.into_iter().chain(more).collect::<Vec<_>>());
    let files: Vec<_> = (0..4)
        .map(|process| {
            let file = world.machine().path(&format!("tenants-{process}.csv"));
            let lines: Vec<String> = (0..each).map(|line| format!("t{process}-{line}")).collect();
            std::fs::write(&file, format!("slug\n{}\n", lines.join("\n"))).unwrap();
            file
        })
        .collect();
    let over = AtomicBool::new(false);
    let (most, outputs) = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let sessions = "select count(*) from pg_stat_activity
                            where backend_type = 'client backend' and pid <> pg_backend_pid()";
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                let now = own.sql("nexus", &own.password(), "postgres", sessions).unwrap();
                most = most.max(now[0].parse().unwrap());
            }
            most
        });
        let running: Vec<_> = files
            .iter()
            .map(|file| {
                let file = file.to_str().unwrap();
                let args = ["tenant", "create", "--from", file, "--jobs", "12", "--cluster", "eu2"];
                world.command(&args).spawn().unwrap()
            })
            .collect();
        let outputs: Vec<_> = running.into_iter().map(|child| child.wait_with_output().unwrap()).collect();
        over.store(true, Ordering::Relaxed);
        (watching.join().unwrap(), outputs)
    });
    for output in outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert!((8..=40).contains(&most), "{most} sessions at once");
    let active = world.control_sql("select count(*) from control.tenants where state = 'active'");
    assert_eq!(active, [(4 * each).to_string()]);
}
