//! One Garage for all tests of a run: a single node with its data in the folder of the shared
//! stack. Whoever needs it first starts it; it ends when that folder goes.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::stack;
use super::world::World;

/// The region that the cluster is set to.
pub const REGION: &str = "garage";
/// How long a node may take until it is ready.
const PATIENCE: Duration = Duration::from_secs(30);
/// Runs the node until it ends or its settings are gone, e.g. with the folder of the test run.
const WATCHED: &str = r#"
echo $$ >"$2/pid"
"$1" -c "$2/garage.toml" server --single-node >"$2/log" 2>&1 &
node=$!
trap 'kill $node' TERM INT HUP
while kill -0 $node 2>/dev/null && [ -e "$2/garage.toml" ]; do sleep 1; done
kill $node 2>/dev/null
wait $node
rm -f "$2/pid"
"#;

/// Where the node is.
#[derive(Debug, Serialize, Deserialize)]
pub struct Garage {
    /// Where S3 is spoken.
    pub s3_endpoint: String,
    /// Where the admin API is.
    pub admin_endpoint: String,
    /// The administrator's token.
    pub admin_token: String,
}

/// The node that all tests share.
pub fn shared() -> &'static Garage {
    static GARAGE: OnceLock<Garage> = OnceLock::new();
    GARAGE.get_or_init(|| {
        let home = stack::home();
        // Other test programs may want it at the same moment.
        let lock = File::create(home.join("garage.lock")).unwrap();
        lock.lock().unwrap();
        let folder = home.join("garage");
        let running = fs::read(folder.join("node.json")).ok();
        let running = running.and_then(|text| serde_json::from_slice::<Garage>(&text).ok());
        running.filter(Garage::is_well).unwrap_or_else(|| start(&folder))
    })
}

/// Starts a node with nothing in it. A port that is taken in between is met by another try.
fn start(folder: &Path) -> Garage {
    let program = program();
    for _ in 0..3 {
        // Its watcher ends an older node when the settings go, which takes a second.
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).unwrap();
        let garage = spawn(&program, folder);
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if garage.is_well() {
                let draft = folder.join("node.draft");
                private(&draft, &serde_json::to_string(&garage).unwrap());
                fs::rename(draft, folder.join("node.json")).unwrap();
                return garage;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
    panic!("Garage does not start: {}", fs::read_to_string(folder.join("log")).unwrap_or_default());
}

/// The program, which `scripts/garage` builds where it is missing.
fn program() -> PathBuf {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/garage");
    let output = Command::new(script).stdin(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

fn spawn(program: &Path, folder: &Path) -> Garage {
    let ports: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let ports: Vec<u16> = ports.iter().map(|it| it.local_addr().unwrap().port()).collect();
    let random = || format!("{}{}", uuid::Uuid::new_v4().simple(), uuid::Uuid::new_v4().simple());
    let admin_token = random();
    let settings = format!(
        "metadata_dir = \"{folder}/meta\"\ndata_dir = \"{folder}/data\"\ndb_engine = \"sqlite\"\n\
         replication_factor = 1\nrpc_bind_addr = \"127.0.0.1:{rpc}\"\nrpc_public_addr = \"127.0.0.1:{rpc}\"\n\
         rpc_secret = \"{secret}\"\n[s3_api]\ns3_region = \"{REGION}\"\napi_bind_addr = \"127.0.0.1:{s3}\"\n\
         [admin]\napi_bind_addr = \"127.0.0.1:{admin}\"\nadmin_token = \"{admin_token}\"\n",
        folder = folder.display(),
        rpc = ports[0],
        s3 = ports[1],
        admin = ports[2],
        secret = random(),
    );
    private(&folder.join("garage.toml"), &settings);
    let mut watcher = Command::new("sh");
    watcher.args(["-c", WATCHED, "garage"]).arg(program).arg(folder);
    watcher.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // It outlives this test program, which may be one of several.
    let mut watcher = watcher.process_group(0).current_dir("/").spawn().unwrap();
    // No dead child stays behind where it ends before this program does.
    std::thread::spawn(move || watcher.wait());
    Garage {
        s3_endpoint: format!("http://127.0.0.1:{}", ports[1]),
        admin_endpoint: format!("http://127.0.0.1:{}", ports[2]),
        admin_token,
    }
}

fn private(path: &Path, content: &str) {
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(content.as_bytes()).unwrap();
}

impl Garage {
    /// Whether it answers, with a layout, at both endpoints.
    fn is_well(&self) -> bool {
        let answers = |endpoint: &str, path: &str, status: &str| {
            let address = endpoint.strip_prefix("http://").unwrap();
            let Ok(mut stream) = TcpStream::connect(address) else { return false };
            let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
            let mut answer = String::new();
            let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
            answer.starts_with(&format!("HTTP/1.1 {status}"))
        };
        answers(&self.admin_endpoint, "/health", "200") && answers(&self.s3_endpoint, "/", "403")
    }
}

/// Registers the shared Garage as a store of an installation.
pub fn register(world: &World, name: &str) {
    let garage = shared();
    let token = world.machine().path("garage.token");
    fs::write(&token, format!("{}\n", garage.admin_token)).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    let endpoints = ["--endpoint", &garage.s3_endpoint, "--admin-endpoint", &garage.admin_endpoint];
    let secret = ["--region", REGION, "--secret-file", token.to_str().unwrap()];
    let args = ["store", "add", name, "--driver", "garage"].into_iter().chain(endpoints).chain(secret);
    world.ok(&args.collect::<Vec<_>>());
}
