//! Lists in a pipe: every row, as it comes, and little memory.

use std::collections::HashSet;
use std::io::Read;
use std::process::{Command, Stdio};

use crate::support::world::World;

/// Most memory of its own of a process that writes a list, in kilobytes: less than the longest list here takes as
/// text. What it maps of files does not count: how much of an unoptimised program is read depends on the build.
const MEMORY: u64 = 20 * 1024;

/// 5,000 tenants, operations and rows of the audit log, without anything behind them.
fn fleet(world: &World) {
    world.control_sql(
        "insert into control.tenants (id, slug, name, state, labels, cluster, store, database_name, owner_role,
                                      app_role, bucket, created_at)
         select gen_random_uuid(), 't' || lpad(n::text, 5, '0'), 'Number ' || n % 7, 'active', '{}', 'default',
                'default', 'd' || n, 'o' || n, 'a' || n, 'b' || n, now() + make_interval(secs => n % 10)
         from generate_series(1, 5000) as n",
    );
    // Many were asked for at the same moment: their ids alone tell them apart.
    world.control_sql(
        "insert into control.operations (id, tenant_id, kind, state, caller, created_at)
         select gen_random_uuid(), id, 'suspend', 'done', 'machine:x', now() - make_interval(secs => (row_number() over ()) % 3)
         from control.tenants",
    );
    world.control_sql(
        "insert into control.runs (id, kind, state, caller, plan, created_at)
         select gen_random_uuid(), 'forward', 'done', 'machine:x', '{\"sets\": [], \"waves\": [], \"files\": [], \"selection\": \"all\"}',
                now() - make_interval(secs => n % 3)
         from generate_series(1, 300) as n",
    );
    world.control_sql(
        "insert into control.issued_tokens (jti, tenant_id, user_id, email, kid, audience, caller, issued_at, expires_at)
         select gen_random_uuid(), id, gen_random_uuid(), 'a@x.example', 'k', 'a', 'machine:x',
                date_trunc('second', now()), now() + interval '1 hour'
         from control.tenants",
    );
}

fn ids(world: &World, args: &[&str]) -> Vec<String> {
    let text = world.ok(&[&["-o", "id"], args].concat());
    text.lines().map(str::to_owned).collect()
}

#[test]
fn a_pipe_gets_every_row_once_and_the_pages_still_are_what_they_were() {
    let world = World::new();
    fleet(&world);
    for (list, least) in [
        (&["tenant", "list"][..], 5000),
        (&["tenant", "list", "--sort", "-created"], 5000),
        (&["tenant", "list", "--where", "slug=*", "--sort", "name"], 5000),
        (&["operation", "list"], 5000),
        (&["operation", "list", "--state", "done"], 5000),
        (&["migrate", "runs", "list"], 300),
        (&["token", "list"], 5000),
    ] {
        let all = ids(&world, list);
        let different: HashSet<&String> = all.iter().collect();
        assert_eq!((all.len(), different.len()), (least, least), "{list:?}");
        assert_eq!(ids(&world, &[list, &["--limit", "100"]].concat()), all[..100], "{list:?}");
        let page = [list, &["--page", "2", "--limit", "130"]].concat();
        assert_eq!(ids(&world, &page), all[130..260], "{list:?}");
        assert_eq!(ids(&world, &[list, &["--page", "1"]].concat()).len(), 100, "{list:?}");
        let json = world.json(list);
        assert_eq!(json.as_array().unwrap().len(), least, "{list:?}");
    }
}

#[test]
fn every_user_is_in_the_list_however_it_is_sorted() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let database = world.control_sql("select database_name from control.tenants").remove(0);
    // Several have the same name, address apart; few have ever signed in.
    world.sql(
        &database,
        "insert into nexus.users (id, email, email_key, name, state, created_at, last_sign_in_at)
         select gen_random_uuid(), 'User' || n || '@Acme.example', 'user' || n || '@acme.example', 'Name ' || n % 5,
                'active', now() - make_interval(secs => n % 4), case when n % 9 = 0 then now() - make_interval(secs => n % 2) end
         from generate_series(1, 5000) as n",
    );
    for sort in ["email", "-email", "name", "-name", "created", "-created", "last_sign_in", "-last_sign_in"] {
        let list = ["user", "list", "--tenant", "acme", "--sort", sort];
        let all = ids(&world, &list);
        let different: HashSet<&String> = all.iter().collect();
        assert_eq!((all.len(), different.len()), (5000, 5000), "{sort}");
        assert_eq!(
            ids(&world, &[&list[..], &["--page", "3", "--limit", "400"]].concat()),
            all[800..1200],
            "{sort}"
        );
    }
    let exported = world.ok(&["user", "export", "--tenant", "acme"]);
    assert_eq!(exported.lines().count(), 5001);
}

/// Memory of a process that is no file's, in kilobytes; 0 where it has ended.
fn own_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let own = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    own.map_or(0, |kilobytes| kilobytes.trim().trim_end_matches(" kB").parse().unwrap())
}

#[test]
fn a_pipe_has_its_first_row_early_and_the_process_stays_small() {
    let world = World::new();
    fleet(&world);
    world.control_sql("update control.tenants set name = repeat('x', 190), labels = jsonb_build_object('note', repeat('y', 5000))");
    for list in [&["tenant", "list"][..], &["operation", "list"], &["token", "list"]] {
        let mut child = world.command(&[&["-o", "json"], list].concat()).spawn().unwrap();
        let mut output = child.stdout.take().unwrap();
        let mut first = [0; 512];
        output.read_exact(&mut first).unwrap();
        assert!(String::from_utf8_lossy(&first).contains("\"id\"") || list[0] == "token", "{list:?}");
        // What nobody reads yet waits in the pipe, so the process is still there to be measured.
        let mut rest = Vec::new();
        let mut most = 0;
        let mut buffer = vec![0; 64 * 1024];
        loop {
            most = most.max(own_memory(child.id()));
            match output.read(&mut buffer).unwrap() {
                0 => break,
                count => rest.extend_from_slice(&buffer[..count]),
            }
        }
        assert!(child.wait().unwrap().success());
        let text = [&first[..], &rest].concat();
        assert_eq!(serde_json::from_slice::<Vec<serde_json::Value>>(&text).unwrap().len(), 5000, "{list:?}");
        println!("{list:?}: {most} kB for {} kB", text.len() / 1024);
        assert!(most > 0 && most <= MEMORY, "{list:?}: {most} kB");
    }
}

#[test]
fn a_reader_that_has_enough_ends_every_list_quietly() {
    let world = World::new();
    fleet(&world);
    let program = env!("CARGO_BIN_EXE_nexus");
    for list in ["tenant list", "operation list", "token list", "audit list", "migrate runs list"] {
        let line = format!("'{program}' {list} | head -n 1; exit \"${{PIPESTATUS[0]}}\"");
        let mut command = Command::new("bash");
        command.args(["-c", &line]).stdin(Stdio::null());
        world.machine().furnish(&mut command);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{list}");
        assert!(output.status.success(), "{list}");
    }
}

#[test]
fn a_terminal_gets_a_page_through_the_users_pager() {
    let world = World::new();
    fleet(&world);
    let shown = |pager: &str, args: &[&str]| {
        let mut command = vec!["tenant", "list"];
        command.extend(args);
        world.machine().on_terminal_with(&[("PAGER", pager)], &command, "")
    };
    let paged = shown("sed 's/^/| /'", &[]);
    assert!(paged.starts_with("| SLUG") && paged.contains("| t00001"), "{paged}");
    assert!(paged.contains("page 1 of 50, 5000 tenants in all; --page 2 shows the next"), "{paged}");
    assert!(!paged.contains("t00101"), "{paged}");
    for plain in [
        shown("sed 's/^/| /'", &["--no-pager"]),
        shown("cat", &[]),
        shown("", &[]),
        shown("no-such-pager-is-there", &[]),
    ] {
        assert!(plain.contains("t00100") && !plain.contains("| t00001"), "{plain}");
    }
    let short = shown("sed 's/^/| /'", &["--limit", "3"]);
    assert!(short.starts_with("SLUG"), "what fits on the screen needs no pager: {short}");
    let left = shown("head -n 1", &[]);
    assert!(left.ends_with("--- exit 0"), "{left}");
}
