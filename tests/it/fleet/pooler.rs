//! A connection pooler between Nexus and a server: promise F5.

use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{FIRST, Fleet};

/// PgBouncer in transaction mode before the world's server.
struct Pooler {
    child: Child,
    port: String,
    _folder: tempfile::TempDir,
}

impl Pooler {
    fn start(fleet: &Fleet, ignored: &str) -> Self {
        let stack = fleet.world.stack();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
        // It does not run as root, and only the server's own account may use the server's socket.
        let owner = std::fs::metadata(&stack.socket_dir).unwrap();
        let owner = nix::unistd::Uid::from_raw(std::os::unix::fs::MetadataExt::uid(&owner));
        let user = match nix::unistd::User::from_uid(owner).unwrap() {
            Some(user) if nix::unistd::geteuid().is_root() => format!("user = {}\n", user.name),
            _ => String::new(),
        };
        std::fs::write(path("users.txt"), format!("\"nexus\" \"{}\"\n", stack.password())).unwrap();
        std::fs::write(
            path("pgbouncer.ini"),
            format!(
                "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
                 unix_socket_dir =\npool_mode = transaction\nauth_type = scram-sha-256\nauth_user = nexus\n\
                 auth_file = {}\nignore_startup_parameters = {ignored}\n{user}",
                stack.socket_dir,
                stack.port,
                path("users.txt").display(),
            ),
        )
        .unwrap();
        for (name, mode) in [("", 0o755), ("users.txt", 0o644), ("pgbouncer.ini", 0o644)] {
            std::fs::set_permissions(path(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/pgbouncer");
        let child = Command::new(script).arg(path("pgbouncer.ini")).stdin(Stdio::null()).spawn().unwrap();
        let mut pooler = Self { child, port, _folder: folder };
        while TcpStream::connect(format!("127.0.0.1:{}", pooler.port)).is_err() {
            assert!(pooler.child.try_wait().unwrap().is_none(), "pgbouncer ended");
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        pooler
    }

    /// A migration of all tenants, their server reached through the pooler.
    fn migrate(&self, fleet: &Fleet) -> (Option<i32>, Value) {
        let stack = fleet.world.stack();
        let password = format!("file:{}", stack.home.join("local/postgres.password").display());
        let output = fleet
            .world
            .command(&["-o", "json", "migrate", "tenants", "--all", "--retries", "0"])
            .env("NEXUS_CONTEXT_T_CLUSTER_HOST", "127.0.0.1")
            .env("NEXUS_CONTEXT_T_CLUSTER_PORT", &self.port)
            .env("NEXUS_CONTEXT_T_CLUSTER_USER", "nexus")
            .env("NEXUS_CONTEXT_T_CLUSTER_DATABASE", "postgres")
            .env("NEXUS_CONTEXT_T_CLUSTER_TLS", "disable")
            .env("NEXUS_CONTEXT_T_CLUSTER_PASSWORD", password)
            .output()
            .unwrap();
        let report = serde_json::from_slice(&output.stdout);
        let report = report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code(), report)
    }
}

impl Drop for Pooler {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_pooler_is_recognised_whether_it_refuses_a_sessions_settings_or_drops_them() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file(FIRST.0, FIRST.1);
    for ignored in ["extra_float_digits", "extra_float_digits,options"] {
        let pooler = Pooler::start(&fleet, ignored);
        let (code, report) = pooler.migrate(&fleet);
        drop(pooler);
        assert_eq!(code, Some(6), "{ignored}: {report}");
        let pooled = |slug: &str| (slug.to_owned(), "pooler".to_owned());
        assert_eq!(Fleet::failures(&report), [pooled("ash"), pooled("birch")], "{ignored}");
    }
    for slug in ["ash", "birch"] {
        assert_eq!(fleet.sql(slug, "select to_regclass('public.books') is null"), ["t"]);
    }
    fleet.is_tidy();
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}
