//! Stands before PostgreSQL's socket and holds back one message of one program, until it is told to
//! let it pass.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::{Child, Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::world::World;

/// Where a program waits that sent its message.
struct Gate {
    /// The message that is held, from 1, counted over all of the program's connections.
    at: AtomicU32,
    sent: AtomicU32,
    reached: Sender<()>,
    release: Mutex<Receiver<()>>,
}

impl Gate {
    /// Whether the message goes on its way; not that of a program that was killed meanwhile.
    fn pass(&self) -> bool {
        if self.sent.fetch_add(1, Ordering::SeqCst) + 1 != self.at.load(Ordering::SeqCst) {
            return true;
        }
        let _ = self.reached.send(());
        self.release.lock().unwrap().recv().is_ok()
    }
}

/// A program that is held at one of its messages.
pub struct Held {
    child: Child,
    reached: Receiver<()>,
    release: Sender<()>,
    gate: Arc<Gate>,
    _folder: tempfile::TempDir,
}

impl Held {
    /// Starts a command and waits until it has sent so many messages less one, and would send the
    /// next; what came of it where it ended before.
    pub fn at(world: &World, message: u32, args: &[&str]) -> Result<Self, Output> {
        Self::start(world, message, world.command(args))
    }

    /// The same for a command that is made already.
    pub fn start(world: &World, message: u32, mut command: Command) -> Result<Self, Output> {
        let folder = tempfile::Builder::new().prefix("hold").tempdir_in("/tmp").unwrap();
        let name = format!(".s.PGSQL.{}", world.stack().port);
        let server = std::path::Path::new(&world.stack().socket_dir).join(&name);
        let listener = UnixListener::bind(folder.path().join(&name)).unwrap();
        let (reached, is_reached) = channel();
        let (release, released) = channel();
        let gate = Gate {
            at: AtomicU32::new(message),
            sent: AtomicU32::new(0),
            reached,
            release: Mutex::new(released),
        };
        let gate = Arc::new(gate);
        let at = Arc::clone(&gate);
        // It ends with the test binary.
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (Ok(server), gate) = (UnixStream::connect(&server), Arc::clone(&at)) else { return };
                let (from, to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || copy(from, to, || true));
                std::thread::spawn(move || copy(client, server, || gate.pass()));
            }
        });
        command.env("NEXUS_CONTEXT_T_CONTROL_HOST", folder.path());
        let mut child = command.spawn().unwrap();
        loop {
            match is_reached.recv_timeout(Duration::from_millis(5)) {
                Ok(()) => return Ok(Self { child, reached: is_reached, release, gate, _folder: folder }),
                Err(RecvTimeoutError::Timeout) if child.try_wait().unwrap().is_none() => {}
                Err(_) => return Err(child.wait_with_output().unwrap()),
            }
        }
    }

    /// Lets it go on; what comes of it.
    pub fn go_on(self) -> Output {
        let _ = self.release.send(());
        self.child.wait_with_output().unwrap()
    }

    /// Lets this message pass and holds the next; whether there is one.
    pub fn step(&mut self) -> bool {
        self.gate.at.fetch_add(1, Ordering::SeqCst);
        let _ = self.release.send(());
        loop {
            match self.reached.recv_timeout(Duration::from_millis(5)) {
                Ok(()) => return true,
                Err(_) if self.child.try_wait().unwrap().is_some() => return false,
                Err(_) => {}
            }
        }
    }

    /// Kills it where it waits.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// How many messages a command sends that nobody holds.
    pub fn count(world: &World, args: &[&str]) -> u32 {
        let held = Self::at(world, 1, args).unwrap_or_else(|_| panic!("{args:?} sends nothing"));
        let gate = Arc::clone(&held.gate);
        let output = held.go_on();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        gate.sent.load(Ordering::SeqCst)
    }
}

/// Passes on what comes, piece by piece, after each was let through.
fn copy(mut from: UnixStream, mut to: UnixStream, mut pass: impl FnMut() -> bool) {
    let mut piece = [0; 8192];
    while let Ok(count) = from.read(&mut piece) {
        if count == 0 || !pass() || to.write_all(&piece[..count]).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
