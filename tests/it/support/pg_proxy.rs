//! Stands before PostgreSQL and holds, cuts, delays or freezes chosen messages of its clients.
//!
//! What is counted is a *point*: a login, or a message that the server answers (`Query` or `Sync`;
//! protocol chapters 55.2.2 and 55.2.3). Nothing of a point, nor of the messages that wait for it,
//! has reached the server while it is held.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

/// What is done to a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    /// It waits for [`PgProxy::go_on`]; other connections go on.
    Hold,
    /// The connection ends before the server has seen it.
    Cut,
    /// The server does it; the connection ends before the client hears of it.
    LoseAnswer,
    /// It waits for so long.
    Delay(Duration),
    /// From here on nothing passes on any connection, and none is refused, until [`PgProxy::go_on`].
    Freeze,
}

/// A point that was seen.
#[derive(Debug, Clone)]
pub struct Point {
    /// The connection, by order of arrival.
    pub connection: usize,
    /// The database that it is at.
    pub database: String,
    /// `login`, or what is asked for: the SQL that was sent since the last point; empty where a
    /// statement was prepared before.
    pub asks: String,
    /// Whether the client had an answer since its last point: without one it did not wait.
    pub waited: bool,
}

#[derive(Default)]
struct State {
    /// How many points passed since the last reset.
    points: Vec<Point>,
    connections: usize,
    order: Option<(usize, Operation)>,
    every: Option<Operation>,
    /// The ordered point came.
    met: bool,
    /// Whoever waits may go on.
    go_on: bool,
    frozen: bool,
    latency: Duration,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

/// A proxy before one server. It ends with the test binary.
pub struct PgProxy {
    /// The folder of its socket.
    pub socket_dir: String,
    /// The number in the socket's name.
    pub port: String,
    /// A port on 127.0.0.1 that leads to the same place.
    pub tcp_port: u16,
    shared: Arc<Shared>,
    folder: PathBuf,
}

impl PgProxy {
    /// Before the server that listens at this socket.
    pub fn before_socket(server: PathBuf) -> Self {
        // A short name under `/tmp`, for the sake of the socket's path.
        let name = uuid::Uuid::new_v4().simple().to_string();
        let folder = PathBuf::from(format!("/tmp/nxq-{}", &name[..8]));
        std::fs::create_dir(&folder).unwrap();
        std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o711)).unwrap();
        let socket = folder.join(".s.PGSQL.5432");
        let unix = UnixListener::bind(&socket).unwrap();
        std::fs::set_permissions(&socket, std::fs::Permissions::from_mode(0o777)).unwrap();
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let tcp_port = tcp.local_addr().unwrap().port();
        let shared = Arc::<Shared>::default();
        let (near, far) = (Arc::clone(&shared), Arc::clone(&shared));
        let (to, also_to) = (server.clone(), server);
        std::thread::spawn(move || {
            unix.incoming().flatten().for_each(|client| open(Client::Unix(client), &to, &near));
        });
        std::thread::spawn(move || {
            tcp.incoming().flatten().for_each(|client| open(Client::Tcp(client), &also_to, &far));
        });
        let socket_dir = folder.display().to_string();
        Self { socket_dir, port: "5432".to_owned(), tcp_port, shared, folder }
    }

    /// The point of this number, counted from 0 since the last reset, meets the operation.
    pub fn at(&self, point: usize, operation: Operation) {
        self.with(|state| state.order = Some((point, operation)));
    }

    /// Every point from now on meets the operation.
    pub fn every(&self, operation: Operation) {
        self.with(|state| state.every = Some(operation));
    }

    /// Whatever a client says on a connection that it opens from now on arrives so much later.
    pub fn latency(&self, latency: Duration) {
        self.with(|state| state.latency = latency);
    }

    /// Whether the ordered point came.
    pub fn is_met(&self) -> bool {
        self.shared.state.lock().unwrap().met
    }

    /// Waits until the ordered point came, or the client ended without it; whether it came.
    pub fn wait(&self, mut has_ended: impl FnMut() -> bool) -> bool {
        let mut state = self.shared.state.lock().unwrap();
        while !state.met {
            state = self.shared.changed.wait_timeout(state, Duration::from_millis(20)).unwrap().0;
            if !state.met && has_ended() {
                return false;
            }
        }
        true
    }

    /// Lets go on whoever was held or frozen, now and from now on.
    pub fn go_on(&self) {
        self.with(|state| (state.go_on, state.frozen, state.order, state.every) = (true, false, None, None));
    }

    /// The points since the last reset.
    pub fn points(&self) -> Vec<Point> {
        self.shared.state.lock().unwrap().points.clone()
    }

    /// How often a client waited for an answer since the last reset, logins apart, by database.
    pub fn round_trips(&self) -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        for point in self.points().into_iter().filter(|point| point.waited && point.asks != "login") {
            *count.entry(point.database).or_default() += 1;
        }
        count
    }

    /// Forgets points and orders; whoever was held goes on.
    pub fn reset(&self) {
        self.go_on();
        self.with(|state| (state.met, state.go_on, state.points) = (false, false, Vec::new()));
    }

    fn with<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let changed = change(&mut self.shared.state.lock().unwrap());
        self.shared.changed.notify_all();
        changed
    }
}

impl Drop for PgProxy {
    fn drop(&mut self) {
        self.go_on();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

enum Client {
    Unix(UnixStream),
    Tcp(TcpStream),
}

impl Client {
    fn halves(self) -> io::Result<(Half, Half)> {
        Ok(match self {
            Self::Unix(stream) => (Box::new(stream.try_clone()?), Box::new(stream)),
            Self::Tcp(stream) => {
                stream.set_nodelay(true)?;
                (Box::new(stream.try_clone()?), Box::new(stream))
            }
        })
    }
}

trait Stream: Read + Write + Send {
    fn end(&self);
}
type Half = Box<dyn Stream>;
impl Stream for UnixStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}
impl Stream for TcpStream {
    fn end(&self) {
        let _ = self.shutdown(Shutdown::Both);
    }
}

/// What both directions of a connection know.
#[derive(Default)]
struct Line {
    /// The server said something since the client's last point.
    answered: AtomicBool,
    /// What the server says next is lost.
    lose: AtomicBool,
}

fn open(client: Client, server: &Path, shared: &Arc<Shared>) {
    let Ok(server) = UnixStream::connect(server) else { return };
    let (Ok((ask, answer)), Ok(from)) = (client.halves(), server.try_clone()) else { return };
    let line = Arc::<Line>::default();
    let (connection, latency) = {
        let mut state = shared.state.lock().unwrap();
        state.connections += 1;
        (state.connections, state.latency)
    };
    let (there, back) = (Arc::clone(shared), Arc::clone(shared));
    let known = Arc::clone(&line);
    std::thread::spawn(move || {
        let mut asking =
            Asking { shared: &there, line: &known, connection, database: String::new(), asks: String::new() };
        let mut ask = ask;
        let _ = if latency.is_zero() {
            asking.carry(&mut *ask, &mut &server)
        } else {
            late(latency, &server, |to| asking.carry(&mut *ask, to))
        };
        ask.end();
        server.end();
    });
    std::thread::spawn(move || {
        let (mut from, mut answer) = (from, answer);
        let _ = carry_back(&mut from, &mut *answer, &line, &back);
        answer.end();
        from.end();
    });
}

/// Gives the work something to write to, from which everything reaches the server so much later.
fn late<T>(latency: Duration, server: &UnixStream, work: impl FnOnce(&mut dyn Write) -> T) -> T {
    let (pieces, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let mut server = server;
            for (at, piece) in due {
                std::thread::sleep(at.saturating_duration_since(Instant::now()));
                if server.write_all(&piece).is_err() {
                    return;
                }
            }
        });
        work(&mut Late { pieces, latency })
    })
}

struct Late {
    pieces: mpsc::Sender<(Instant, Vec<u8>)>,
    latency: Duration,
}

impl Write for Late {
    fn write(&mut self, piece: &[u8]) -> io::Result<usize> {
        let due = (Instant::now() + self.latency, piece.to_vec());
        self.pieces.send(due).map_err(|_| io::ErrorKind::BrokenPipe)?;
        Ok(piece.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn carry_back(from: &mut UnixStream, to: &mut dyn Stream, line: &Line, shared: &Shared) -> io::Result<()> {
    let mut piece = [0; 16384];
    loop {
        let count = from.read(&mut piece)?;
        thaw(shared);
        if count == 0 || line.lose.load(Ordering::SeqCst) {
            return Ok(());
        }
        line.answered.store(true, Ordering::SeqCst);
        to.write_all(&piece[..count])?;
    }
}

/// Waits while everything is frozen.
fn thaw(shared: &Shared) {
    let mut state = shared.state.lock().unwrap();
    while state.frozen {
        state = shared.changed.wait(state).unwrap();
    }
}

struct Asking<'a> {
    shared: &'a Shared,
    line: &'a Line,
    connection: usize,
    database: String,
    asks: String,
}

impl Asking<'_> {
    /// Carries what the client says, message by message, to the server.
    fn carry(&mut self, from: &mut dyn Stream, to: &mut dyn Write) -> io::Result<()> {
        let (mut buffer, mut piece) = (Vec::new(), [0; 16384]);
        let mut started = false;
        // What belongs to the next point.
        let mut waiting = Vec::new();
        loop {
            let count = from.read(&mut piece)?;
            if count == 0 {
                return to.write_all(&waiting);
            }
            buffer.extend_from_slice(&piece[..count]);
            while let Some(length) = length(&buffer, started) {
                let message: Vec<u8> = buffer.drain(..length).collect();
                let is_point = if started { self.read(&message) } else { self.greet(&message) };
                // 3.0 or later; what comes before asks for TLS, or cancels.
                started |= message.first() == Some(&0) && !self.database.is_empty();
                waiting.extend_from_slice(&message);
                let at_once = !is_point && matches!(message[0], 0 | b'p' | b'X' | b'H' | b'd' | b'c' | b'f');
                if is_point && !self.pass() {
                    return Ok(());
                }
                if is_point || at_once {
                    thaw(self.shared);
                    to.write_all(&waiting)?;
                    waiting.clear();
                }
            }
        }
    }

    /// Reads a message before the session is open; whether it is a login.
    fn greet(&mut self, message: &[u8]) -> bool {
        if message.get(4..6) != Some(&[0, 3]) {
            return false;
        }
        let mut words = message[8..].split(|byte| *byte == 0).map(String::from_utf8_lossy);
        let database = words.find(|word| word == "database").and_then(|_| words.next());
        self.database = database.map_or_else(|| "?".to_owned(), std::borrow::Cow::into_owned);
        "login".clone_into(&mut self.asks);
        true
    }

    /// Reads a message of an open session; whether the server answers it.
    fn read(&mut self, message: &[u8]) -> bool {
        let text = |from: &[u8]| {
            let end = from.iter().position(|byte| *byte == 0).unwrap_or(from.len());
            String::from_utf8_lossy(&from[..end]).into_owned()
        };
        match message[0] {
            b'Q' => {
                self.asks = text(&message[5..]);
                true
            }
            b'P' => {
                let name = message[5..].iter().position(|byte| *byte == 0).unwrap_or(0);
                self.asks = text(&message[6 + name..]);
                false
            }
            kind => kind == b'S',
        }
    }

    /// Does to a point what was ordered; whether it goes to the server.
    fn pass(&mut self) -> bool {
        let waited = self.line.answered.swap(false, Ordering::SeqCst);
        let mut state = self.shared.state.lock().unwrap();
        let number = state.points.len();
        let (database, asks) = (self.database.clone(), std::mem::take(&mut self.asks));
        state.points.push(Point { connection: self.connection, database, asks, waited });
        let ordered = state.order.filter(|(at, _)| *at == number).map(|(_, operation)| operation);
        if ordered.is_some() {
            state.met = true;
            self.shared.changed.notify_all();
        }
        match ordered.or(state.every) {
            None => true,
            Some(Operation::Cut) => false,
            Some(Operation::LoseAnswer) => {
                self.line.lose.store(true, Ordering::SeqCst);
                true
            }
            Some(Operation::Delay(time)) => {
                drop(state);
                std::thread::sleep(time);
                true
            }
            Some(Operation::Freeze) => {
                state.frozen = true;
                true
            }
            Some(Operation::Hold) => {
                while !state.go_on {
                    state = self.shared.changed.wait(state).unwrap();
                }
                true
            }
        }
    }
}

/// How long the first message in a buffer is, where it is there whole.
fn length(buffer: &[u8], started: bool) -> Option<usize> {
    let kind = usize::from(started);
    let word: [u8; 4] = buffer.get(kind..kind + 4)?.try_into().ok()?;
    let length = kind + usize::try_from(u32::from_be_bytes(word)).ok()?;
    (buffer.len() >= length).then_some(length)
}
