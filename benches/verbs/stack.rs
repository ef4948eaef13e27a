//! A local stack of its own, thrown away at the end.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nexus::infra::db::{Host, ServerAddress, Tls};
use serde_json::Value;

use super::Failure;

/// The user of [`Stack::create_with_user`].
pub(crate) const USER: &str = "ann@acme.example";

pub(crate) struct Stack {
    pub(crate) home: PathBuf,
    nexus: PathBuf,
    /// The superuser at the database that is always there.
    pub(crate) admin: ServerAddress,
    pub(crate) socket: PathBuf,
    pub(crate) endpoint: String,
}

impl Drop for Stack {
    fn drop(&mut self) {
        let _ = self.command(&["local", "reset", "--yes", "--confirm", "local"]).output();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// The program that is measured where no other is named.
pub(crate) fn this_program() -> PathBuf {
    std::env::var_os("NEXUS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_nexus").into(), PathBuf::from)
}

impl Stack {
    /// One that a program starts in a folder with this word in its name.
    pub(crate) fn start(nexus: &Path, word: &str) -> Result<Self, Failure> {
        let home = std::env::temp_dir().join(format!("nx{word}-{}", std::process::id()));
        std::fs::create_dir(&home)?;
        // The account that runs PostgreSQL passes through it.
        std::fs::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o711))?;
        let admin = ServerAddress {
            host: Host::Tcp(String::new()),
            port: 5432,
            user: "nexus".to_owned(),
            password: String::new().into(),
            database: "postgres".to_owned(),
            tls: Tls::Disable,
        };
        let nexus = nexus.to_owned();
        let mut stack = Self { home, nexus, admin, socket: PathBuf::new(), endpoint: String::new() };
        let up: Value = serde_json::from_slice(&stack.output(&["-q", "-o", "json", "local", "up"])?)?;
        let folder = PathBuf::from(up["postgres"]["socket_dir"].as_str().ok_or("no socket")?);
        up["s3"]["endpoint"].as_str().ok_or("no endpoint")?.clone_into(&mut stack.endpoint);
        let password = std::fs::read_to_string(stack.home.join("local/postgres.password"))?;
        stack.admin.password = password.trim().to_owned().into();
        stack.socket = folder.join(".s.PGSQL.5432");
        stack.admin.host = Host::Socket(folder);
        Ok(stack)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.nexus);
        command.args(args).env("NEXUS_HOME", &self.home).env_remove("NEXUS_CONFIG").current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// What a command that must succeed writes.
    pub(crate) fn output(&self, args: &[&str]) -> Result<Vec<u8>, Failure> {
        let output = self.command(args).output()?;
        if output.status.success() {
            return Ok(output.stdout);
        }
        Err(format!("{args:?} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
            .into())
    }

    /// How long a command that must succeed takes, as a whole process.
    pub(crate) fn time(&self, args: &[&str]) -> Result<Duration, Failure> {
        let began = Instant::now();
        self.output(args)?;
        Ok(began.elapsed())
    }

    /// A tenant with a user who can sign in: [`USER`].
    pub(crate) fn create_with_user(&self, flags: &[&str], slug: &str) -> Result<(), Failure> {
        let create = ["tenant", "create", slug, "--admin-email", USER, "--admin-password-stdin"];
        let mut command = self.command(&[flags, &create].concat());
        let mut child = command.stdin(Stdio::piped()).spawn()?;
        child.stdin.take().ok_or("no input")?.write_all(b"correct horse battery staple\n")?;
        let output = child.wait_with_output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(String::from_utf8_lossy(&output.stderr).into_owned().into())
    }

    /// Tenants in bulk, named by a word and a number from 0 on.
    pub(crate) fn create_many(&self, word: &str, count: usize) -> Result<(), Failure> {
        let lines: Vec<String> = (0..count).map(|n| format!("{word}{n}")).collect();
        let file = self.home.join("tenants.csv");
        std::fs::write(&file, format!("slug\n{}\n", lines.join("\n")))?;
        self.output(&["tenant", "create", "--from", &file.display().to_string(), "--jobs", "4"])?;
        Ok(())
    }
}
