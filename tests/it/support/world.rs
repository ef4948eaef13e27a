//! An installation of its own for one test, on the shared stack: a control database, a master key,
//! a context named `t`. It goes with the test, and everything that bears its mark.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nexus::app::App;
use nexus::features::installation::SetupOutcome;
use nexus::kernel::progress::Silent;
use nexus::settings::{Flags, Home, Loaded, Settings, Sources};
use serde_json::Value;

use super::golden;
use super::machine::Machine;
use super::pg_proxy::PgProxy;
use super::sql::apart;
use super::stack::{self, Stack};

/// An installation of its own.
pub struct World {
    machine: Machine,
    stack: &'static Stack,
    /// The control database.
    pub control: String,
    /// The installation's id: part of every mark.
    pub id: String,
}

/// What bears the installation's mark in the outside world, or should, by the control database.
#[derive(Debug, PartialEq, Eq, Default, Clone)]
pub struct Inventory {
    /// Databases.
    pub databases: BTreeSet<String>,
    /// Roles.
    pub roles: BTreeSet<String>,
    /// Buckets.
    pub buckets: BTreeSet<String>,
    /// Keys to buckets.
    pub keys: BTreeSet<String>,
}

impl World {
    /// An installation that nobody has used, cloned from a golden one.
    pub fn new() -> Self {
        Self::on(&stack::shared().endpoint)
    }

    /// The same, with its buckets at another endpoint, e.g. a proxy before the real one.
    pub fn on(endpoint: &str) -> Self {
        let (stack, control) = (stack::shared(), new_name());
        let template = golden::clone(stack, &control);
        let mut world = Self::not_set_up(stack, endpoint, control);
        world.id = world.set_up();
        template.give_to(stack, &world.id);
        world
    }

    /// An installation on a stack that the test may break, set up from nothing by `nexus init`.
    pub fn of(stack: &'static Stack, endpoint: &str) -> Self {
        let mut world = Self::not_set_up(stack, endpoint, new_name());
        let made = world.json(&["init"]);
        made["id"].as_str().unwrap().clone_into(&mut world.id);
        world
    }

    /// What is there before an installation is set up: its settings.
    pub fn not_set_up(stack: &'static Stack, endpoint: &str, control: String) -> Self {
        let settings = format!(
            "default_context = \"t\"\n\
             [context.t.control]\nhost = \"{}\"\nport = {}\nuser = \"nexus\"\ndatabase = \"{control}\"\n\
             password = \"file:{home}/local/postgres.password\"\n\
             [context.t.store]\nendpoint = \"{endpoint}\"\nadmin_token = \"file:{home}/local/s3.token\"\n",
            stack.socket_dir,
            stack.port,
            home = stack.home.display(),
        );
        Self { machine: Machine::new().with_settings(&settings), stack, control, id: String::new() }
    }

    /// What `nexus init` does, in this process; the new installation's id.
    pub fn set_up(&self) -> String {
        let (settings, caller) = (self.settings(), super::machine::account());
        match apart(async || App::init(&settings, &caller, None, &Silent).await) {
            Ok(SetupOutcome::Made { installation, .. }) => installation.id.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The settings that commands have here.
    pub fn settings(&self) -> Settings {
        Loaded::read(&self.sources()).unwrap().settings().unwrap()
    }

    /// What they are made from.
    pub fn sources(&self) -> Sources {
        let flags =
            Flags { config: Some(self.machine.path("work/nexus.toml")), context: Some("t".to_owned()) };
        let home = Some(Home::new(&self.machine.path("nexus")));
        Sources { flags, variables: BTreeMap::new(), user_folder: None, home }
    }

    /// The machine that commands run on.
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The stack below.
    pub fn stack(&self) -> &'static Stack {
        self.stack
    }

    /// Settings of this installation with its PostgreSQL behind a proxy, for `--config`.
    pub fn behind(&self, proxy: &PgProxy) -> String {
        self.elsewhere(&proxy.socket_dir, &proxy.port)
    }

    /// The same with its PostgreSQL at another socket.
    pub fn elsewhere(&self, socket_dir: &str, socket_port: &str) -> String {
        let settings = std::fs::read_to_string(self.machine.path("work/nexus.toml")).unwrap();
        let (host, port) = (&self.stack.socket_dir, &self.stack.port);
        let settings = settings
            .replace(&format!("host = \"{host}\""), &format!("host = \"{socket_dir}\""))
            .replace(&format!("port = {port}\n"), &format!("port = {socket_port}\n"));
        self.file("work/behind.toml", &settings)
    }

    /// Writes a file on its machine, 0600; its path.
    pub fn file(&self, path: &str, content: &str) -> String {
        let path = self.machine.path(path);
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        path.display().to_string()
    }

    /// A command of `nexus`, ready to run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = self.machine.command(args);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a command to its end.
    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed; its standard output.
    pub fn ok(&self, args: &[&str]) -> String {
        let output = self.run(args);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Runs a command that must succeed, for its JSON.
    pub fn json(&self, args: &[&str]) -> Value {
        let args: Vec<&str> = ["-o", "json"].iter().chain(args).copied().collect();
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    /// Runs a command; its exit code, and the error object on standard error.
    pub fn error(&self, args: &[&str]) -> (i32, Value) {
        let args: Vec<&str> = ["-o", "json"].iter().chain(args).copied().collect();
        let output = self.run(&args);
        let object = serde_json::from_slice::<Value>(&output.stderr);
        let object = object.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        (output.status.code().unwrap_or(-1), object["error"].clone())
    }

    /// Runs a command that is to die at a named point; it must have died there.
    pub fn killed_at(&self, point: &str, args: &[&str]) {
        let output = self.command(args).env("NEXUS_FAILPOINT", format!("{point}=kill")).output().unwrap();
        let died = std::os::unix::process::ExitStatusExt::signal(&output.status) == Some(9);
        assert!(died, "{point} was not reached: {}", String::from_utf8_lossy(&output.stderr));
        self.let_the_server_see_who_died();
    }

    /// Until then whoever was killed holds its locks. Others may hold some for longer.
    fn let_the_server_see_who_died(&self) {
        let until = Instant::now() + Duration::from_millis(1500);
        let held = format!(
            "select count(*) from pg_locks join pg_database on pg_database.oid = database
             where locktype = 'advisory' and datname = '{}'",
            self.control
        );
        // Where the server itself is down nobody holds anything.
        let _ = self.stack.until("postgres", &held, |count| count == ["0"] || Instant::now() > until);
    }

    /// Starts a command that is to wait at a named point until [`Paused::go_on`].
    pub fn paused_at(&self, point: &str, args: &[&str]) -> Paused {
        let file = self.machine.path(&format!("pause-{}", uuid::Uuid::new_v4().simple()));
        std::fs::write(&file, "").unwrap();
        let order = format!("{point}=pause:{}", file.display());
        let child = self.command(args).env("NEXUS_FAILPOINT", order).spawn().unwrap();
        let reached = file.with_extension("reached");
        let mut paused = Paused { child, file };
        while !reached.exists() {
            assert!(paused.child.try_wait().unwrap().is_none(), "{point} was not reached");
            std::thread::sleep(Duration::from_millis(2));
        }
        paused
    }

    /// Rows of a statement as the superuser, cells separated by '|'.
    pub fn sql(&self, database: &str, statement: &str) -> Vec<String> {
        self.sql_as("nexus", &self.stack.password(), database, statement).unwrap()
    }

    /// Rows of a statement on the control database.
    pub fn control_sql(&self, statement: &str) -> Vec<String> {
        self.sql(&self.control, statement)
    }

    /// The name of a tenant's database.
    pub fn database_of(&self, slug: &str) -> String {
        let name = format!("select database_name from control.tenants where slug = '{slug}'");
        self.control_sql(&name).remove(0)
    }

    /// Rows of a statement in a tenant's database, as the superuser.
    pub fn tenant_sql(&self, slug: &str, statement: &str) -> Vec<String> {
        self.sql(&self.database_of(slug), statement)
    }

    /// Asks as the superuser until the rows are those that are wanted; for a minute at most.
    pub fn until(&self, database: &str, statement: &str, wanted: impl FnMut(&[String]) -> bool + Send) {
        self.stack.until(database, statement, wanted).unwrap();
    }

    /// Rows of a statement as any login, or what the server says against it.
    pub fn sql_as(
        &self,
        user: &str,
        password: &str,
        database: &str,
        statement: &str,
    ) -> Result<Vec<String>, String> {
        self.stack.sql(user, password, database, statement)
    }

    /// What the S3 endpoint's admin interface answers to a reading.
    pub fn store(&self, path: &str) -> Value {
        let address = self.stack.endpoint.strip_prefix("http://").unwrap();
        let mut stream = TcpStream::connect(address).unwrap();
        let request = format!(
            "GET /_nexus/v1/{path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {}\r\nconnection: close\r\n\r\n",
            self.stack.token()
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap()
    }

    /// What is there of this installation, its template apart.
    pub fn there(&self) -> Inventory {
        let mark = format!("nexus:{}:", self.id);
        let template = format!("{mark}template");
        let databases = format!(
            "select datname from pg_database as db join pg_roles as owner on owner.oid = datdba
             where coalesce(shobj_description(db.oid, 'pg_database'), shobj_description(owner.oid, 'pg_authid')) like '{mark}%'
               and coalesce(shobj_description(db.oid, 'pg_database'), '') <> '{template}'"
        );
        let roles = format!(
            "select rolname from pg_roles where shobj_description(oid, 'pg_authid') like '{mark}%'
             and shobj_description(oid, 'pg_authid') <> '{template}'"
        );
        let of = |list: Value, name: &str| -> BTreeSet<String> {
            let ours = |it: &&Value| it["owner"].as_str().unwrap().starts_with(&mark);
            list.as_array()
                .unwrap()
                .iter()
                .filter(ours)
                .map(|it| it[name].as_str().unwrap().to_owned())
                .collect()
        };
        let [databases, roles] = self.sets("postgres", &[databases, roles]);
        let (buckets, keys) = (of(self.store("buckets"), "bucket"), of(self.store("keys"), "access_key_id"));
        Inventory { databases, roles, buckets, keys }
    }

    /// What should be there, by the control database.
    pub fn believed(&self) -> Inventory {
        let live = "from control.tenants where state in ('pooled', 'active', 'suspended', 'trashed')";
        // What was there before Nexus bears no mark.
        let made = format!("{live} and not adopted");
        let statements = [
            format!("select database_name {made}"),
            format!("select unnest(array[owner_role, app_role]) {made}"),
            format!("select bucket {live}"),
            format!("select access_key_id {live}"),
        ];
        let [databases, roles, buckets, keys] = self.sets(&self.control, &statements);
        Inventory { databases, roles, buckets, keys }
    }

    /// The rows of some statements of the superuser, asked in one session.
    fn sets<const N: usize>(&self, database: &str, statements: &[String; N]) -> [BTreeSet<String>; N] {
        let mut all = self.stack.sql_each(database, statements).into_iter();
        std::array::from_fn(|_| all.next().unwrap().unwrap().into_iter().collect())
    }

    /// A tenant's own credentials, by variable.
    pub fn env(&self, slug: &str) -> Value {
        serde_json::from_str(&self.ok(&["tenant", "env", slug, "--format", "json", "--reveal"])).unwrap()
    }
}

/// The name of a control database.
fn new_name() -> String {
    format!("t_{}", uuid::Uuid::new_v4().simple())
}

impl Drop for World {
    fn drop(&mut self) {
        // What a failed test leaves behind goes with the stack; databases are heavy, and many roles make
        // every look at all of them slow, so both go now.
        let mark = format!("nexus:{}:%", self.id);
        // In this order: a role that owns a database stays.
        let drops = format!(
            "select unnest(array[format('alter database %I is_template false', datname),
                                 format('drop database %I with (force)', datname)])
             from pg_database where datname = '{}' or shobj_description(oid, 'pg_database') like '{mark}'
             union all
             select format('drop role %I', rolname)
             from pg_roles where rolname = 'nexus_record_{}' or shobj_description(oid, 'pg_authid') like '{mark}'
             order by 1",
            self.control,
            self.id.replace('-', ""),
        );
        // Perhaps its server is down.
        let _ = self.stack.sql_rows("postgres", &drops);
    }
}

/// A command that waits.
pub struct Paused {
    child: Child,
    file: std::path::PathBuf,
}

impl Paused {
    /// Lets it go on; what comes of it.
    pub fn go_on(self) -> Output {
        std::fs::remove_file(&self.file).unwrap();
        self.child.wait_with_output().unwrap()
    }

    /// Kills it where it waits.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}
