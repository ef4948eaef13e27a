//! A NATS server with JetStream, from its package, for as long as this lives.

use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::api::ApiServer;
use super::world::World;

/// How long it may take to come up.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A server that can be killed, and comes again with what it kept.
pub struct NatsServer {
    folder: TempDir,
    port: u16,
    settings: Option<PathBuf>,
    child: Option<Child>,
}

impl NatsServer {
    /// Starts one.
    pub fn start() -> Self {
        Self::with(None)
    }

    /// Starts one with more settings, in the server's own language.
    pub fn with(settings: Option<&str>) -> Self {
        let (folder, port) = (TempDir::new().unwrap(), ApiServer::free_port());
        let settings = settings.map(|text| {
            let file = folder.path().join("nats.conf");
            std::fs::write(&file, text).unwrap();
            file
        });
        let mut server = Self { folder, port, settings, child: None };
        server.start_again();
        server
    }

    /// Where it listens.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Has the processes of an installation publish events there.
    pub fn carry_events_of(&self, world: &World) {
        self.carry_events_with(world, "");
    }

    /// The same with more settings.
    pub fn carry_events_with(&self, world: &World, more: &str) {
        let file = world.machine().path("work/nexus.toml");
        let settings = std::fs::read_to_string(&file).unwrap();
        let section =
            format!("[context.t.events]\nbackend = \"nats\"\nnats_url = \"{}\"\n{more}\n", self.url());
        std::fs::write(&file, format!("{settings}{section}")).unwrap();
    }

    /// Kills it as a power cut would, but for what the system has in memory.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Starts it again on what it kept.
    pub fn start_again(&mut self) {
        self.kill();
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &self.port.to_string(), "--jetstream", "--store_dir"]);
        command.arg(self.folder.path().join("store"));
        if let Some(file) = &self.settings {
            command.arg("--config").arg(file);
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        self.child = Some(child.expect("nats-server is not installed: scripts/test installs it"));
        let end = Instant::now() + TIMEOUT;
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(Instant::now() < end, "nats-server does not listen");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}
