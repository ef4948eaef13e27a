//! The one private stack that all tests share: a PostgreSQL and an S3 endpoint of Nexus's own,
//! started by the product itself.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use nexus::infra::db::{Host, ServerAddress, Tls};
use serde_json::Value;

use super::pg_proxy::PgProxy;
use super::sql::Login;

/// Where the parts of the stack are.
pub struct Stack {
    /// The folder that holds it.
    pub home: PathBuf,
    /// The folder of PostgreSQL's socket.
    pub socket_dir: String,
    /// The number in the socket's name.
    pub port: String,
    /// The S3 endpoint.
    pub endpoint: String,
}

/// The stack that `scripts/test` started and named in `NEXUS_TEST_HOME`, or one that stays for the
/// next run.
pub fn shared() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| start(&home()))
}

/// The folder of the shared stack.
pub fn home() -> PathBuf {
    std::env::var_os("NEXUS_TEST_HOME").map_or_else(usual_home, PathBuf::from)
}

/// A second stack, beside the shared one: another server, another store.
pub fn second() -> &'static Stack {
    static STACK: OnceLock<Stack> = OnceLock::new();
    STACK.get_or_init(|| {
        let home = shared().home.join("second");
        if !home.exists() {
            // Another test process may make it at this moment.
            let _ = fs::create_dir(&home);
            fs::set_permissions(&home, fs::Permissions::from_mode(0o711)).unwrap();
        }
        start(&home)
    })
}

fn usual_home() -> PathBuf {
    // In memory where that is to be had: dropping a database waits for the disk many times.
    let memory = PathBuf::from("/dev/shm");
    let place = if memory.is_dir() { memory } else { std::env::temp_dir() };
    let home = place.join(format!("nexus-test-{}", nix::unistd::geteuid()));
    if !home.exists() {
        fs::create_dir(&home).unwrap();
        fs::set_permissions(&home, fs::Permissions::from_mode(0o711)).unwrap();
    }
    home
}

/// Starts a stack under a folder.
pub fn start(home: &Path) -> Stack {
    start_with(home, None)
}

/// Starts a stack under a folder, with the server's programs from another.
pub fn start_with(home: &Path, programs: Option<&Path>) -> Stack {
    let nexus = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_nexus"));
        command.args(args).env("NEXUS_HOME", home).current_dir("/");
        if let Some(programs) = programs {
            command.env("NEXUS_PG_BIN", programs);
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    nexus(&["--quiet", "local", "up"]);
    let status: Value = serde_json::from_slice(&nexus(&["-o", "json", "local", "status"])).unwrap();
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    Stack {
        home: home.to_owned(),
        socket_dir: text(&status["postgres"]["socket_dir"]),
        port: text(&status["postgres"]["port"]),
        endpoint: text(&status["s3"]["endpoint"]),
    }
}

impl Stack {
    /// The superuser's password.
    pub fn password(&self) -> String {
        fs::read_to_string(self.home.join("local/postgres.password")).unwrap().trim().to_owned()
    }

    /// The token of the S3 endpoint's administrator.
    pub fn token(&self) -> String {
        fs::read_to_string(self.home.join("local/s3.token")).unwrap().trim().to_owned()
    }

    /// Rows of a statement as any login, cells separated by '|', or what the server says against it.
    pub fn sql(
        &self,
        user: &str,
        password: &str,
        database: &str,
        statement: &str,
    ) -> Result<Vec<String>, String> {
        self.login(user, password, database).run(statement)
    }

    /// Asks as the superuser until the rows are those that are wanted; for a minute at most.
    pub fn until(
        &self,
        database: &str,
        statement: &str,
        wanted: impl FnMut(&[String]) -> bool + Send,
    ) -> Result<(), String> {
        self.login("nexus", &self.password(), database).run_until(statement, wanted)
    }

    /// What comes of each of many statements of the superuser, in one session.
    pub fn sql_each(&self, database: &str, statements: &[String]) -> Vec<Result<Vec<String>, String>> {
        self.login("nexus", &self.password(), database).run_each(statements)
    }

    /// Runs each row of a statement of the superuser as a statement; what is refused is passed over.
    pub fn sql_rows(&self, database: &str, statement: &str) -> Result<(), String> {
        self.login("nexus", &self.password(), database).run_rows(statement)
    }

    /// A database of the server, as its superuser.
    pub fn superuser(&self, database: &str) -> ServerAddress {
        ServerAddress {
            host: Host::Socket(self.socket_dir.clone().into()),
            port: self.port.parse().unwrap(),
            user: "nexus".to_owned(),
            password: self.password().into(),
            database: database.to_owned(),
            tls: Tls::Disable,
        }
    }

    fn login<'a>(&'a self, user: &'a str, password: &'a str, database: &'a str) -> Login<'a> {
        Login { socket_dir: &self.socket_dir, port: &self.port, user, password, database }
    }
}

impl PgProxy {
    /// Before the server of a stack.
    pub fn before(stack: &Stack) -> Self {
        Self::before_socket(PathBuf::from(&stack.socket_dir).join(format!(".s.PGSQL.{}", stack.port)))
    }
}
