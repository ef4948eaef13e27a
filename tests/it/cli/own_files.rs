//! Files that a person names: what Nexus did not write is not overwritten.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::support::machine::Machine;
use crate::support::world::World;

const MINE: &str = "MY_OWN_SECRET=1\n";

fn mode(path: &std::path::Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_env_file_of_a_persons_stays_and_nexuss_own_is_written_again() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let path = world.machine().path("work/.env");
    let disclosed =
        || world.control_sql("select count(*) from control.audit_log where action = 'tenant.env'");
    for format in ["dotenv", "shell", "json", "url"] {
        let env = ["tenant", "env", "acme", "--file", ".env", "--format", format];
        fs::write(&path, MINE).unwrap();
        let before = disclosed();
        let (code, error) = world.error(&env);
        assert_eq!((code, &error["code"]), (5, &"file_exists".into()), "{format}: {error}");
        assert!(error["hint"].as_str().unwrap().contains("--force"), "{error}");
        assert_eq!((fs::read_to_string(&path).unwrap(), disclosed()), (MINE.to_owned(), before), "{format}");
        world.ok(&[&env[..], &["--force"]].concat());
        let written = fs::read_to_string(&path).unwrap();
        assert!(written.contains("nx") && mode(&path) == 0o600, "{format}");
        // Again, and after what it says changed, e.g. another password: still Nexus's own.
        world.ok(&env);
        assert_eq!(fs::read_to_string(&path).unwrap(), written, "{format}");
        fs::write(&path, format!("{written}{MINE}")).unwrap();
        assert_eq!(world.error(&env).0, 5, "{format}: a line was added by hand");
        assert!(fs::read_to_string(&path).unwrap().ends_with(MINE));
    }
}

#[test]
fn what_is_written_for_programs_can_still_be_read_by_a_shell() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    world.ok(&["tenant", "env", "acme", "--file", ".env"]);
    let mut command = std::process::Command::new("bash");
    command.args(["-c", "set -a; . ./.env; printf %s \"$PGDATABASE\""]);
    world.machine().furnish(&mut command);
    let output = command.output().unwrap();
    let database = world.control_sql("select database_name from control.tenants").remove(0);
    assert_eq!(String::from_utf8_lossy(&output.stdout), database);
}

#[test]
fn no_verb_that_writes_a_file_overwrites_a_persons() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--admin-email", "ann@acme.example"]);
    world.ok(&["user", "create", "--email", "eve@acme.example", "--invite", "--tenant", "acme"]);
    fs::create_dir(world.machine().path("work/man")).unwrap();
    for (args, file) in [
        (&["tenant", "env", "acme", "--file", "out"][..], "out"),
        (&["tenant", "prove", "--all", "--report", "out"], "out"),
        (&["key", "export", "--jwks", "--file", "out"], "out"),
        (&["key", "export", "--pem", "--file", "out"], "out"),
        (&["key", "export", "--development", "out", "--tenant", "acme"], "out"),
        (&["token", "mint", "--tenant", "acme", "--user", "ann@acme.example", "--file", "out"], "out"),
        (&["audit", "export", "--file", "out"], "out"),
        (&["migrate", "plan", "--all", "--out", "out"], "out"),
        (&["migrate", "tenants", "--all", "--report", "junit=out"], "out"),
        (&["migrate", "tenants", "--all", "--report", "markdown=out"], "out"),
        (&["tenant", "create", "birch", "--admin-email", "b@x.example", "--invitation-file", "out"], "out"),
        (&["man", "--out", "man"], "man/nexus-tenant.1"),
    ] {
        let path = world.machine().path("work").join(file);
        fs::write(&path, MINE).unwrap();
        let (code, error) = world.error(args);
        assert_eq!((code, &error["code"]), (5, &"file_exists".into()), "{args:?}: {error}");
        assert_eq!(fs::read_to_string(&path).unwrap(), MINE, "{args:?}");
        fs::remove_file(&path).unwrap();
    }
    for link in [true, false] {
        let path = world.machine().path("work/out");
        let _ = fs::remove_file(&path);
        if link {
            std::os::unix::fs::symlink("/dev/null", &path).unwrap();
        }
        let name = if link { "out" } else { "/dev/null" };
        let args = ["tenant", "env", "acme", "--file", name, "--force"];
        let (code, error) = world.error(&args);
        assert_eq!((code, &error["code"]), (5, &"file_not_ordinary".into()), "{name}: {error}");
        assert_eq!(error["hint"], "name another file", "{name}");
    }
}

#[test]
fn what_nexus_wrote_is_written_again_without_a_word() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--admin-email", "ann@acme.example"]);
    for args in [
        &["tenant", "prove", "--all", "--report", "proof"][..],
        &["key", "export", "--jwks", "--file", "keys.json"],
        &["key", "export", "--pem", "--file", "keys.pem"],
        &["migrate", "plan", "--all", "--out", "plan.json"],
        &["migrate", "tenants", "--all", "--report", "junit=run.xml", "--report", "markdown=run.md"],
    ] {
        world.ok(args);
        world.ok(args);
    }
    world.ok(&["key", "rotate", "--yes"]);
    world.ok(&["key", "export", "--jwks", "--file", "keys.json"]);
    world.ok(&["key", "export", "--pem", "--file", "keys.pem"]);
    let machine = Machine::new();
    for _ in 0..2 {
        assert!(machine.run(&["man", "--out", "pages"]).ends_with("--- exit 0"));
    }
}
