//! Secrets stay where they belong: after makings, kills, repairs and failures, with everything
//! logged, none of them is found anywhere in the clear or in a usual disguise.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

use super::settled::{create, delete, open_operation, repair_settles};
use crate::support::world::World;

/// Looks for secrets; keeps them in a folder that is not looked through.
struct Search {
    needles: Vec<(String, String)>,
    folder: tempfile::TempDir,
}

impl Search {
    fn new() -> Self {
        Self { needles: Vec::new(), folder: tempfile::tempdir().unwrap() }
    }

    /// Looks for this secret, too: as it is, in hex, percent-encoded, and in base64 wherever it
    /// begins within its group of three bytes.
    fn for_secret(&mut self, name: &str, secret: &str) {
        assert!(secret.len() >= 12, "{name} is too short to be told from chance");
        let all = |form: &dyn Fn(u8) -> String| secret.bytes().map(form).collect::<String>();
        let mut forms = vec![
            secret.to_owned(),
            all(&|byte| format!("{byte:02x}")),
            all(&|byte| format!("{byte:02X}")),
            all(&|byte| format!("%{byte:02X}")),
            all(&|byte| format!("%{byte:02x}")),
            all(&|byte| {
                if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02X}")
                }
            }),
        ];
        for shift in 0..3 {
            // What stands before and after decides the characters at the edges: these are left out.
            let shifted = [&b"\0\0"[..shift], secret.as_bytes()].concat();
            let whole = shifted.len() / 3 * 4;
            let begin = if shift == 0 { 0 } else { 4 };
            forms.push(STANDARD_NO_PAD.encode(&shifted)[begin..whole].to_owned());
            forms.push(URL_SAFE_NO_PAD.encode(&shifted)[begin..whole].to_owned());
        }
        self.needles.extend(forms.into_iter().map(|form| (name.to_owned(), form)));
    }

    /// The secrets of a tenant in use.
    fn for_tenant(&mut self, world: &World, slug: &str) {
        let env = world.env(slug);
        for name in ["PGPASSWORD", "AWS_SECRET_ACCESS_KEY"] {
            self.for_secret(&format!("{slug}'s {name}"), env[name].as_str().unwrap());
        }
    }

    /// The names of the secrets that a text holds.
    fn in_text(&self, text: &[u8]) -> Vec<&str> {
        let found = |needle: &str| text.windows(needle.len()).any(|part| part == needle.as_bytes());
        self.needles.iter().filter(|(_, form)| found(form)).map(|(name, _)| name.as_str()).collect()
    }

    /// The files under a folder that hold one.
    fn in_folder(&self, folder: &Path) -> Vec<String> {
        let patterns = self.folder.path().join("needles");
        let forms: Vec<&str> = self.needles.iter().map(|(_, form)| form.as_str()).collect();
        fs::write(&patterns, forms.join("\n")).unwrap();
        let output = Command::new("grep").args(["-rlaFs", "-f"]).arg(&patterns).arg(folder).output().unwrap();
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

/// Commands with everything logged, and all that they say.
struct Talk<'a> {
    world: &'a World,
    heard: Vec<u8>,
}

impl Talk<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let mut command = self.world.command(args);
        command.env("NEXUS_LOG", "trace").env("RUST_BACKTRACE", "1");
        command
    }

    fn hear(&mut self, output: Output) -> Output {
        self.heard.extend_from_slice(&output.stdout);
        self.heard.extend_from_slice(&output.stderr);
        output
    }

    fn run(&mut self, args: &[&str]) {
        let output = self.command(args).output().unwrap();
        let output = self.hear(output);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn killed_at(&mut self, point: &str, args: &[&str]) {
        let output = self.command(args).env("NEXUS_FAILPOINT", format!("{point}=kill")).output().unwrap();
        let output = self.hear(output);
        assert!(!output.status.success(), "{point} was not reached");
    }

    fn with_input(&mut self, args: &[&str], input: &str) {
        let mut child = self.command(args).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        let output = self.hear(output);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// Everything of a database, as its owner could restore it.
fn dump(world: &World, program: &str, args: &[&str]) -> Vec<u8> {
    let stack = world.stack();
    let output = Command::new(program)
        .args(args)
        .envs([("PGHOST", &stack.socket_dir), ("PGPORT", &stack.port), ("PGPASSWORD", &stack.password())])
        .env("PGUSER", "nexus")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn no_secret_is_found_after_makings_kills_and_repairs_with_everything_logged() {
    let world = World::new();
    let mut search = Search::new();
    let mut talk = Talk { world: &world, heard: Vec::new() };
    let invitation = search.folder.path().join("invitation");
    let file = invitation.display().to_string();
    let invited = [create("invited"), vec!["--invitation-file", &file]].concat();
    talk.run(&invited);
    search.for_secret("the invitation", fs::read_to_string(&invitation).unwrap().trim());
    let canary = format!("Canary+{}/&%", uuid::Uuid::new_v4().simple());
    let with_password = [create("known"), vec!["--admin-password-stdin"]].concat();
    talk.with_input(&with_password, &format!("{canary}\n"));
    search.for_secret("the first admin's password", &canary);

    let points = ["create.reserve.after", "create.key.after", "create.seal.after", "create.seed.after"];
    let slugs = points.map(|point| point.replace('.', "-"));
    for (point, slug) in points.iter().zip(&slugs) {
        talk.killed_at(point, &create(slug));
    }
    talk.run(&["tenant", "repair", "--all"]);
    let role = world.control_sql("select app_role from control.tenants where slug = 'known'");
    world.sql("postgres", &format!("alter role {} password null", role[0]));
    talk.killed_at("repair.roles.after", &["tenant", "repair", "known"]);
    talk.run(&["tenant", "repair", "--all"]);
    for slug in ["invited", "known"].into_iter().chain(slugs.iter().map(String::as_str)) {
        search.for_tenant(&world, slug);
        talk.run(&["tenant", "env", slug]);
        talk.run(&["-o", "json", "tenant", "show", slug]);
    }
    let databases = world.control_sql("select database_name from control.tenants");
    let dumps: Vec<Vec<u8>> = databases.iter().map(|name| dump(&world, "pg_dump", &[name])).collect();
    talk.killed_at("purge.bucket.after", &delete(&slugs[0]));
    talk.run(&["-v", "operation", "resume", &open_operation(&world)]);
    talk.killed_at("create.activate.before", &create("never"));
    talk.run(&["operation", "rollback", &open_operation(&world)]);
    repair_settles(&world, "after all");

    assert_eq!(search.in_text(&talk.heard), [""; 0], "in what the commands said");
    assert!(talk.heard.len() > 10_000, "nothing was logged");
    assert_eq!(search.in_folder(&world.machine().path("")), [""; 0], "on the machine");
    assert_eq!(
        search.in_folder(&world.stack().home),
        [""; 0],
        "in the stack: logs, objects, the server's files"
    );
    assert_eq!(
        search.in_text(&dump(&world, "pg_dump", &[&world.control])),
        [""; 0],
        "in the control database"
    );
    assert_eq!(search.in_text(&dumps.concat()), [""; 0], "in the tenants' databases");
    let roles = dump(&world, "pg_dumpall", &["--globals-only"]);
    assert_eq!(search.in_text(&roles), [""; 0], "in the roles");
}

#[test]
fn a_search_finds_each_disguise() {
    let mut search = Search::new();
    search.for_secret("it", "a+secret/that-is&long enough");
    let folder = tempfile::tempdir().unwrap();
    for prefix in ["", "x", "xy", "xyz"] {
        let text = STANDARD_NO_PAD.encode(format!("{prefix}a+secret/that-is&long enough, yes"));
        assert!(!search.in_text(text.as_bytes()).is_empty(), "after {prefix:?}");
    }
    for form in ["a+secret/that-is&long enough", "a%2Bsecret%2Fthat-is%26long%20enough"] {
        fs::write(folder.path().join("file"), format!("before {form} after")).unwrap();
        assert_eq!(search.in_folder(folder.path()).len(), 1, "{form}");
    }
    assert_eq!(search.in_text(b"a secret that is long enough"), [""; 0]);
}

/// The processes that descend from one, and itself.
fn family(pid: u32) -> Vec<PathBuf> {
    let mut family = vec![pid];
    let parents: Vec<(u32, u32)> = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| {
            let pid: u32 = entry.ok()?.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
            // "pid (name) state parent …"; a name may hold anything.
            let parent = stat.rsplit_once(") ")?.1.split(' ').nth(1)?.parse().ok()?;
            Some((pid, parent))
        })
        .collect();
    let mut index = 0;
    while index < family.len() {
        let parent = family[index];
        family.extend(parents.iter().filter(|(_, of)| *of == parent).map(|(pid, _)| *pid));
        index += 1;
    }
    family.into_iter().map(|pid| PathBuf::from(format!("/proc/{pid}"))).collect()
}

#[test]
fn psql_gets_the_password_neither_by_its_arguments_nor_by_its_environment() {
    let world = World::new();
    world.ok(&create("acme"));
    let mut search = Search::new();
    search.for_tenant(&world, "acme");
    let role = world.control_sql("select app_role from control.tenants");
    let asleep = ["tenant", "psql", "acme", "--", "-c", "select pg_sleep(60)"];
    let mut child = world.command(&asleep).env("TMPDIR", world.machine().path("home")).spawn().unwrap();
    let sleeps = format!(
        "select count(*) from pg_stat_activity where usename = '{}' and query like '%pg_sleep%'",
        role[0]
    );
    world.until("postgres", &sleeps, |count| {
        assert!(child.try_wait().unwrap().is_none(), "psql ended");
        count == ["1"]
    });
    let family = family(child.id());
    let mut names = Vec::new();
    for process in &family {
        let mut seen = true;
        for what in ["cmdline", "environ"] {
            let text = match fs::read(process.join(what)) {
                // What Nexus has in its memory not even its own user may look at, unless that is root.
                Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => {
                    seen = false;
                    continue;
                }
                other => other.unwrap(),
            };
            assert_eq!(search.in_text(&text), [""; 0], "in {what} of {}", process.display());
        }
        if seen {
            names.push(fs::read_to_string(process.join("comm")).unwrap().trim().to_owned());
        }
    }
    assert!(names.iter().any(|name| name == "psql"), "psql was not looked at: {names:?}");
    let end = format!("select pg_terminate_backend(pid) from pg_stat_activity where usename = '{}'", role[0]);
    world.sql("postgres", &end);
    let output = child.wait_with_output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert_eq!(search.in_text(&said), [""; 0]);
    assert_eq!(search.in_folder(&world.machine().path("")), [""; 0], "psql's password file is left");
}
