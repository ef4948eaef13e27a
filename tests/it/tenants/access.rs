//! A tenant's credentials, as they are handed out.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::support::world::World;

#[test]
fn secrets_are_masked_in_every_format_until_they_are_asked_for() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let env = world.env("acme");
    let secrets = ["PGPASSWORD", "AWS_SECRET_ACCESS_KEY"].map(|name| env[name].as_str().unwrap());
    for format in ["dotenv", "shell", "json", "url"] {
        let output = world.run(&["-vv", "tenant", "env", "acme", "--format", format]);
        let seen = [output.stdout, output.stderr].concat();
        let seen = String::from_utf8(seen).unwrap();
        assert!(output.status.success() && seen.contains("********"), "{format}: {seen}");
        assert!(secrets.iter().all(|secret| !seen.contains(secret)), "{format}");
        let revealed = world.ok(&["tenant", "env", "acme", "--format", format, "--reveal"]);
        assert!(revealed.contains(secrets[0]), "{format}");
    }
    let told = world.control_sql("select detail->>'how' from control.audit_log where action = 'tenant.env'");
    assert_eq!(told, ["reveal"; 5]);
}

#[test]
fn a_shell_takes_the_environment_and_its_url_opens_the_database() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let shell = format!(
        "eval \"$('{}' tenant env acme --format shell --reveal)\" && psql -XAtc 'select current_database()' && \
         psql -XAtc 'select current_user' \"$DATABASE_URL\" && echo $NEXUS_TENANT",
        env!("CARGO_BIN_EXE_nexus")
    );
    let mut command = Command::new("sh");
    command.args(["-c", &shell]);
    world.machine().furnish(&mut command);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let env = world.env("acme");
    let expected = ["PGDATABASE", "PGUSER", "NEXUS_TENANT"].map(|name| env[name].as_str().unwrap());
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().collect::<Vec<_>>(), expected);
}

#[test]
fn an_environment_file_is_for_its_owner_alone_and_replaces_an_older_one() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let path = world.machine().path("work/.env");
    world.ok(&["tenant", "create", "other"]);
    world.ok(&["tenant", "env", "other", "--file", ".env"]);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let other = world.env("other")["PGPASSWORD"].as_str().unwrap().to_owned();
    let output = world.run(&["tenant", "env", "acme", "--file", ".env"]);
    assert!(output.status.success() && output.stdout.is_empty());
    assert!(String::from_utf8_lossy(&output.stderr).contains(".env"));
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains(world.env("acme")["PGPASSWORD"].as_str().unwrap()) && !text.contains(&other));
    let told = "select detail->>'how' from control.audit_log join control.tenants on tenants.id = tenant_id
                where action = 'tenant.env' and slug = 'acme'";
    assert_eq!(world.control_sql(told), ["file", "reveal"]);

    let (code, error) = world.error(&["tenant", "env", "acme", "--file", "nowhere/.env"]);
    assert_eq!((code, &error["code"]), (2, &"folder_missing".into()), "{error}");
    assert!(error["message"].as_str().unwrap().contains("nowhere/.env"), "{error}");
}

#[test]
fn psql_is_the_tenants_and_its_end_is_ours() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let user = world.ok(&["tenant", "psql", "acme", "--", "-XAtc", "select current_user"]);
    assert_eq!(user.trim(), world.env("acme")["PGUSER"].as_str().unwrap());
    let code = |args: &[&str]| {
        let args: Vec<&str> = ["tenant", "psql", "acme", "--"].iter().chain(args).copied().collect();
        world.run(&args).status.code().unwrap()
    };
    assert_eq!(code(&["-Xc", "select 1"]), 0);
    assert_eq!(code(&["-Xc", "select nonsense"]), 1);
    assert_eq!(code(&["-X", "-d", "postgres", "-c", "select 1"]), 2);
    assert_eq!(code(&["-X", "-v", "ON_ERROR_STOP=1", "-f", "/nowhere"]), 1);
    // Its password file goes with it.
    let left = std::fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let ours = left.filter(|entry| entry.file_name().to_string_lossy().starts_with("nexus-pgpass-"));
    assert!(ours.count() <= 1, "password files are left behind");
    assert_eq!(
        world.control_sql("select count(*) from control.audit_log where action = 'tenant.psql'"),
        ["5"]
    );
}

#[test]
fn a_start_up_file_that_a_variable_names_runs_nothing_in_psql() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let (file, ran) = (world.machine().path("rc"), world.machine().path("ran"));
    std::fs::write(&file, format!("\\! touch {}\n", ran.display())).unwrap();
    let mut command = world.command(&["tenant", "psql", "acme", "--", "-c", "select 1"]);
    assert!(command.env("PSQLRC", &file).output().unwrap().status.success());
    assert!(!ran.exists());
}
