//! `nexus serve` as a process of its own, and requests over real sockets.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::world::World;

/// How long anything may take before a test says that it hangs.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A server that runs for as long as this lives.
pub struct ApiServer {
    child: Child,
    /// Its address and port.
    pub address: String,
}

/// An answer that may not be whole yet.
pub struct Open {
    socket: TcpStream,
    /// What has come of it.
    read: Vec<u8>,
}

impl Open {
    /// The whole answer, once it ended.
    pub fn rest(mut self) -> Answer {
        let ended = self.socket.read_to_end(&mut self.read);
        assert!(!self.read.is_empty(), "no answer: {ended:?}");
        read(&self.read)
    }
}

/// A connection that stays open from one request to the next.
pub struct KeptOpen(BufReader<TcpStream>);

impl KeptOpen {
    /// A new one.
    pub fn to(server: &ApiServer) -> Self {
        Self::try_to(server).unwrap()
    }

    /// The same, where the server accepts it.
    pub fn try_to(server: &ApiServer) -> std::io::Result<Self> {
        let socket = TcpStream::connect(&server.address)?;
        socket.set_read_timeout(Some(TIMEOUT))?;
        Ok(Self(BufReader::new(socket)))
    }

    /// Sends a request, and reads its answer, which must say its length.
    pub fn send(
        &mut self,
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> std::io::Result<Answer> {
        let mut request =
            format!("{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n", body.len());
        for line in headers {
            request.extend([line, "\r\n"]);
        }
        let mut request = format!("{request}\r\n").into_bytes();
        request.extend(body);
        self.0.get_mut().write_all(&request)?;
        let mut answer = String::new();
        while !answer.ends_with("\r\n\r\n") {
            if self.0.read_line(&mut answer)? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
        let mut head = read(answer.as_bytes());
        let length = head.header("content-length").map_or(0, |text| text.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)?;
        head.body = String::from_utf8_lossy(&body).into_owned();
        Ok(head)
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    /// Its body.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The first header of a name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// In how many seconds it says to ask again.
    pub fn retry_after(&self) -> u64 {
        self.header("retry-after").and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
    }

    /// Its body, where it is what was wanted.
    pub fn ok(&self) -> Value {
        assert!((200..300).contains(&self.status), "{self:?}");
        if self.body.is_empty() { Value::Null } else { self.json() }
    }

    /// Its status and code, where it is a problem document.
    pub fn problem(&self) -> (u16, String) {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let document = self.json();
        assert_eq!(document["status"], self.status, "{self:?}");
        assert_eq!(document["request_id"].as_str(), self.header("x-request-id"), "{self:?}");
        (self.status, document["code"].as_str().unwrap().to_owned())
    }
}

impl ApiServer {
    /// Serves an installation, on a free port of this machine.
    pub fn start(world: &World) -> Self {
        Self::start_with(world, &[])
    }

    /// The same, with settings of its own, by their names in `[context.t.serve]`.
    pub fn start_with(world: &World, settings: &[(&str, &str)]) -> Self {
        Self::launch(world.command(&["-o", "id", "serve", "--bind", "127.0.0.1:0"]), settings)
    }

    /// The same, which stops or dies at a named point: `kill`, or `pause:PATH`.
    pub fn start_to(world: &World, settings: &[(&str, &str)], (point, action): (&str, &str)) -> Self {
        let mut command = world.command(&["-o", "id", "serve", "--bind", "127.0.0.1:0"]);
        command.env("NEXUS_FAILPOINT", format!("{point}={action}"));
        Self::launch(command, settings)
    }

    /// The same as the issuer of its tokens, as clients that look for what it says of itself need it.
    pub fn start_as_issuer(world: &World) -> Self {
        let port = Self::free_port();
        Self::start_at(world, port, &[("TOKENS_ISSUER", &format!("http://127.0.0.1:{port}"))])
    }

    /// A port of this machine that nobody listens at.
    pub fn free_port() -> u16 {
        std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
    }

    /// Serves at a port, with settings by the names of their variables behind the context's.
    pub fn start_at(world: &World, port: u16, settings: &[(&str, &str)]) -> Self {
        let mut command = world.command(&["-o", "id", "serve", "--bind", &format!("127.0.0.1:{port}")]);
        for (name, value) in settings {
            command.env(format!("NEXUS_CONTEXT_T_{name}"), value);
        }
        Self::launch(command, &[])
    }

    fn launch(mut command: Command, settings: &[(&str, &str)]) -> Self {
        for (name, value) in settings {
            command.env(format!("NEXUS_CONTEXT_T_SERVE_{}", name.to_ascii_uppercase()), value);
        }
        command.stderr(Stdio::piped());
        Self::of(command)
    }

    /// Serves as this command says, which must be one with `-o id`.
    pub fn of(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let Some((_, address)) = line.trim().split_once("://") else {
            let mut said = String::new();
            child.stderr.take().map(|mut stderr| stderr.read_to_string(&mut said).unwrap());
            panic!("it does not serve: {line}{said}");
        };
        let address = address.to_owned();
        // What it says is read: a server waits for a pipe that is full.
        if let Some(mut stderr) = child.stderr.take() {
            std::thread::spawn(move || std::io::copy(&mut stderr, &mut std::io::sink()));
        }
        Self { child, address }
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(i32::try_from(self.child.id()).unwrap()), signal).unwrap();
    }

    /// The id of its process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it has ended by itself; how.
    pub fn wait(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }

    /// Sends a request; headers are whole lines.
    pub fn send(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> Answer {
        let socket = self.send_only(method, path, headers, body);
        Open { socket, read: Vec::new() }.rest()
    }

    /// Sends a request for an answer that goes on, and waits until it begins.
    pub fn open(&self, path: &str, headers: &[&str]) -> Open {
        let mut open = Open { socket: self.send_only("GET", path, headers, &[]), read: Vec::new() };
        let mut piece = [0; 4096];
        // The head, and the first event.
        while !String::from_utf8_lossy(&open.read).contains("data: ") {
            let count = open.socket.read(&mut piece).unwrap();
            assert!(count > 0, "{}", String::from_utf8_lossy(&open.read));
            open.read.extend(&piece[..count]);
        }
        open
    }

    /// Sends a request, and waits for no answer.
    pub fn send_only(&self, method: &str, path: &str, headers: &[&str], body: &[u8]) -> TcpStream {
        let mut socket = TcpStream::connect(&self.address).unwrap();
        socket.set_read_timeout(Some(TIMEOUT)).unwrap();
        self.write_request(&mut socket, method, path, headers, body);
        socket
    }

    /// Sends a request over a stream that is open already.
    pub fn send_over(
        &self,
        stream: &mut (impl Read + Write),
        method: &str,
        path: &str,
        headers: &[&str],
        body: &[u8],
    ) -> Answer {
        self.write_request(stream, method, path, headers, body);
        let mut all = Vec::new();
        let _ = stream.read_to_end(&mut all);
        read(&all)
    }

    fn write_request(&self, to: &mut impl Write, method: &str, path: &str, headers: &[&str], body: &[u8]) {
        let mut head = format!("{method} {path} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
            head.extend(["Host: ", &self.address, "\r\n"]);
        }
        if !body.is_empty() {
            head.extend(["Content-Length: ", &body.len().to_string(), "\r\n"]);
        }
        for line in headers {
            head.extend([line, "\r\n"]);
        }
        to.write_all(format!("{head}\r\n").as_bytes()).unwrap();
        // It may answer, and close, before it has read a body that is too long.
        let _ = to.write_all(body);
    }

    /// Asks for a path until the answer is as it should be.
    pub fn until(&self, path: &str, mut is_right: impl FnMut(&Answer) -> bool) -> Answer {
        let end = Instant::now() + TIMEOUT;
        loop {
            let answer = self.send("GET", path, &[], &[]);
            if is_right(&answer) {
                return answer;
            }
            assert!(Instant::now() < end, "{answer:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Sends JSON.
    pub fn send_json(&self, method: &str, path: &str, headers: &[&str], body: &Value) -> Answer {
        let headers: Vec<&str> = headers.iter().copied().chain(["Content-Type: application/json"]).collect();
        self.send(method, path, &headers, body.to_string().as_bytes())
    }

    /// Sends a form.
    pub fn send_form(&self, path: &str, headers: &[&str], fields: &[(&str, &str)]) -> Answer {
        let kind = "Content-Type: application/x-www-form-urlencoded";
        let headers: Vec<&str> = headers.iter().copied().chain([kind]).collect();
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send("POST", path, &headers, body.as_bytes())
    }

    /// Asks with a token.
    pub fn get(&self, path: &str, token: &str) -> Answer {
        self.send("GET", path, &[&bearer(token)], &[])
    }

    /// Changes something with a token.
    pub fn change(&self, method: &str, path: &str, token: &str, body: &Value) -> Answer {
        self.send_json(method, path, &[&bearer(token)], body)
    }

    /// Signs in to a tenant's realm, or the platform's.
    pub fn login(&self, tenant: Option<&str>, email: &str, password: &str) -> Answer {
        let header = tenant.map(|slug| format!("X-Tenant-ID: {slug}"));
        let headers: Vec<&str> = header.iter().map(String::as_str).collect();
        self.send_json("POST", "/auth/login", &headers, &json!({ "email": email, "password": password }))
    }

    /// The access token of somebody who signs in to a tenant's realm.
    pub fn token(&self, tenant: &str, email: &str, password: &str) -> String {
        self.login(Some(tenant), email, password).ok()["access_token"].as_str().unwrap().to_owned()
    }

    /// Waits until it died by itself; by which signal.
    pub fn died(mut self) -> Option<i32> {
        std::os::unix::process::ExitStatusExt::signal(&self.child.wait().unwrap())
    }

    /// Tells it to stop; how it ended, and how long that took.
    pub fn stop(mut self) -> (Option<i32>, Duration) {
        let began = Instant::now();
        self.signal(Signal::SIGTERM);
        let status = self.child.wait().unwrap();
        (status.code(), began.elapsed())
    }
}

impl Drop for ApiServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a request to a store by a URL that is signed; headers are whole lines.
pub fn send_to(method: &str, url: &str, headers: &[String], body: &[u8]) -> Answer {
    let rest = url.strip_prefix("http://").unwrap_or_else(|| panic!("{url}"));
    let (host, path) = rest.split_once('/').unwrap();
    let mut socket = TcpStream::connect(host).unwrap();
    socket.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut head = format!("{method} /{path} HTTP/1.1\r\nConnection: close\r\nHost: {host}\r\n");
    for line in headers.iter().filter(|line| !line.to_ascii_lowercase().starts_with("content-length:")) {
        head.extend([line, "\r\n"]);
    }
    head.extend(["Content-Length: ", &body.len().to_string(), "\r\n\r\n"]);
    socket.write_all(head.as_bytes()).unwrap();
    // It may refuse, and close, before it has read the body.
    let _ = socket.write_all(body);
    let mut all = Vec::new();
    let _ = socket.read_to_end(&mut all);
    read(&all)
}

/// The header of a token.
pub fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

fn read(all: &[u8]) -> Answer {
    let text = String::from_utf8_lossy(all);
    let (head, body) = text.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut lines = head.lines();
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let header = |line: &str| {
        let (name, value) = line.split_once(':').unwrap();
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    let headers: Vec<(String, String)> = lines.map(header).collect();
    let chunked = headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked");
    let body = if chunked { unchunked(body) } else { body.to_owned() };
    Answer { status, headers, body }
}

/// A body that came in pieces (RFC 9112, section 7.1).
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap();
        body.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
        if size == 0 {
            break;
        }
    }
    body
}
