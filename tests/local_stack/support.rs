//! A home of its own for each test, and what the tests ask of the machine.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nexus::features::local::{DaemonCommand, LocalStack, ObjectEndpoint, ObjectSeat, Running};
use nexus::kernel::progress::Silent;
use nexus::settings::Home;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::ConnectOptions;
use sqlx::postgres::PgConnection;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Set in the environment of the daemon under test.
pub(crate) const DAEMON_MARK: &str = "LOCAL_STACK_TEST_DAEMON";

/// Makes an endpoint that does not start.
pub(crate) const BROKEN_MARK: &str = "LOCAL_STACK_TEST_BROKEN";

/// Names the home, in the environment of one of many processes that start the stack at once.
pub(crate) const UP_MARK: &str = "LOCAL_STACK_TEST_UP";

/// An endpoint with a health check and a way to die.
pub(crate) struct TinyEndpoint;

#[async_trait]
impl ObjectEndpoint for TinyEndpoint {
    async fn serve(&self, seat: ObjectSeat) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        if std::env::var_os(BROKEN_MARK).is_some() {
            return Err("told to be broken".into());
        }
        loop {
            let (mut stream, _) = tokio::select! {
                accepted = seat.listener.accept() => accepted?,
                () = seat.shutdown.cancelled() => return Ok(()),
            };
            let mut request = [0_u8; 1024];
            let length = stream.read(&mut request).await?;
            let request = String::from_utf8_lossy(&request[..length]).into_owned();
            if request.starts_with("GET /die ") {
                return Err("told to die".into());
            }
            assert!(!request.starts_with("GET /panic "), "told to panic");
            let status =
                if request.starts_with("GET /_nexus/v1/health ") { "200 OK" } else { "404 Not Found" };
            stream.write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n").as_bytes()).await?;
        }
    }
}

/// The stack under a folder, with this test program as its daemon.
pub(crate) fn stack_at(home: &Path) -> LocalStack {
    stack_with(home, DAEMON_MARK)
}

/// The same with one more mark for the daemon.
pub(crate) fn stack_with(home: &Path, mark: &str) -> LocalStack {
    LocalStack::new(Home::new(home)).with_daemon(DaemonCommand {
        program: std::env::current_exe().unwrap(),
        args: ["daemon_process", "--exact", "--nocapture", "--test-threads=1"].map(Into::into).into(),
        env: [DAEMON_MARK, mark].map(|name| (name.into(), "1".into())).into(),
    })
}

/// A home under `/tmp` with a short name; whatever happens to the test, its processes and files go.
pub(crate) struct TestHome {
    pub(crate) path: PathBuf,
    pub(crate) stack: LocalStack,
}

impl TestHome {
    pub(crate) fn new() -> Self {
        let path = PathBuf::from(format!("/tmp/nxl-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]));
        let stack = stack_at(&path);
        Self { path, stack }
    }

    pub(crate) fn local(&self) -> PathBuf {
        self.path.join("local")
    }

    pub(crate) async fn up(&self) -> Running {
        self.stack.up(&Silent).await.unwrap()
    }

    /// The daemon's and PostgreSQL's process numbers.
    pub(crate) async fn pids(&self) -> (i32, i32) {
        let status = self.stack.status().await.unwrap();
        let number = |pid: Option<u32>| i32::try_from(pid.unwrap()).unwrap();
        (number(status.daemon.pid), number(status.postgres.pid))
    }

    /// Everything in the stack's logs.
    pub(crate) fn all_logs(&self) -> String {
        let files = fs::read_dir(self.local().join("logs")).unwrap();
        files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect()
    }
}

impl Drop for TestHome {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let logs = if self.local().join("logs").exists() { self.all_logs() } else { String::new() };
            eprintln!("--- logs of {} ---\n{logs}", self.path.display());
        }
        for pid in processes_of(&self.path) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
        let deadline = Instant::now() + Duration::from_secs(10);
        while !processes_of(&self.path).is_empty() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The processes that have to do with a home: those that work in it, and those whose environment
/// names it.
pub(crate) fn processes_of(home: &Path) -> Vec<i32> {
    let me = i32::try_from(std::process::id()).unwrap();
    let mark = format!("NEXUS_HOME={}", home.display()).into_bytes();
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter(|pid| *pid != me);
    pids.filter(|pid: &i32| {
        let works_there =
            fs::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|folder| folder.starts_with(home));
        let named = fs::read(format!("/proc/{pid}/environ"))
            .is_ok_and(|all| all.split(|byte| *byte == 0).any(|variable| variable == mark));
        works_there || named
    })
    .collect()
}

/// As the superuser, in the maintenance database.
pub(crate) async fn connect(running: &Running) -> PgConnection {
    running.postgres.options("postgres").connect().await.unwrap()
}

/// Runs one statement as the superuser.
pub(crate) async fn execute(running: &Running, sql: &'static str) -> Result<(), sqlx::Error> {
    let mut connection = connect(running).await;
    sqlx::raw_sql(sql).execute(&mut connection).await.map(|_| ())
}

/// One number out of the database.
pub(crate) async fn number(running: &Running, sql: &'static str) -> i64 {
    let mut connection = connect(running).await;
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

/// The first line of the endpoint's answer.
pub(crate) async fn get(endpoint: &str, path: &str) -> io::Result<String> {
    let address: SocketAddr = endpoint.strip_prefix("http://").unwrap().parse().unwrap();
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: {address}\r\n\r\n").as_bytes()).await?;
    let mut answer = vec![0; 256];
    let length = stream.read(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer[..length]).into_owned();
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}

/// Sends a signal to one process.
pub(crate) fn send(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).unwrap();
}

/// Whether a process lives: whether one of its threads does. One that is dead and not yet
/// collected does not.
pub(crate) fn lives(pid: i32) -> bool {
    let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    threads.filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok()).any(|stat| {
        let state = stat.rsplit(") ").next().unwrap_or_default();
        !state.starts_with(['Z', 'X'])
    })
}

/// Waits for a fact, up to 30 s.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut fact: impl FnMut() -> F) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !fact().await {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// The permission bits of a path.
pub(crate) fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

/// Whether nobody lets us in.
pub(crate) async fn connect_fails(running: &Running) -> bool {
    running.postgres.options("postgres").connect().await.is_err()
}
