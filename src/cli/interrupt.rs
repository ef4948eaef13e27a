//! Ctrl-C and SIGTERM: the first asks the work to stop at the next step's edge, the second quits at once. While
//! an answer or standard input is waited for nothing was begun, so that the first quits at once, too.
//! While psql or a pager has the terminal Ctrl-C is its own; SIGTERM is passed on to it, and ends both.

use std::io::{self, Read, stdin};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use nix::sys::termios::{SetArg, Termios, tcgetattr, tcsetattr};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::output::Screen;
use super::prompt::PromptError;
use super::{Exit, exit};

/// How many wait for somebody outside.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// Whether a signal came. It is set before `WAITING` is looked at, and looked at after `WAITING` was
/// raised: one of the two sees the other.
static STOPPED: AtomicBool = AtomicBool::new(false);
/// Where a word of farewell goes.
static SCREEN: OnceLock<Screen> = OnceLock::new();
/// The terminal as it was before it was told to show nothing of what is typed.
static TERMINAL: Mutex<Option<Termios>> = Mutex::new(None);

/// What is said at the first signal while a command changes something.
pub const STOPPING: &str = "stopping at the next step; press Ctrl-C again to quit at once";

/// Watches for SIGINT and SIGTERM from now on; the first is answered with these words, where there are some. Must be
/// called within a runtime.
pub fn watch(
    token: &CancellationToken,
    child_has_terminal: &Arc<AtomicBool>,
    screen: &Screen,
    words: &'static str,
) {
    let (Ok(mut interrupt), Ok(mut terminate)) =
        (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        // Without a handler both signals end the process, as they do everywhere.
        return;
    };
    let (token, screen) = (token.clone(), SCREEN.get_or_init(|| screen.clone()));
    let child_has_terminal = Arc::clone(child_has_terminal);
    tokio::spawn(async move {
        loop {
            let ends = tokio::select! {
                _ = interrupt.recv() => false,
                _ = terminate.recv() => true,
            };
            let child = child_has_terminal.load(Ordering::Relaxed) || screen.paging();
            if child && !ends {
                continue;
            }
            STOPPED.store(true, Ordering::SeqCst);
            if child && !token.is_cancelled() {
                // Who started the child ends it, and waits for it: it puts the terminal in order.
                token.cancel();
                screen.stop_pager();
                continue;
            }
            if WAITING.load(Ordering::SeqCst) > 0 {
                quit(Some(&PromptError::Interrupted));
            }
            if token.is_cancelled() {
                quit(None);
            }
            // Said before the work ends, which may be at once.
            if !words.is_empty() {
                screen.note(words);
            }
            token.cancel();
        }
    });
}

/// Leaves the terminal as it was found, and ends the process.
fn quit(why: Option<&PromptError>) -> ! {
    if let Some(screen) = SCREEN.get() {
        screen.restore_terminal();
        show_typing();
        if let Some(why) = why {
            exit::report(screen, why);
        }
    }
    std::process::exit(i32::from(Exit::Interrupted.code()))
}

/// As long as it lives somebody outside is waited for.
#[must_use]
pub(super) struct Waiting(());

impl Waiting {
    /// For what comes on standard input.
    pub(super) fn begin() -> Self {
        WAITING.fetch_add(1, Ordering::SeqCst);
        if STOPPED.load(Ordering::SeqCst) {
            quit(Some(&PromptError::Interrupted));
        }
        Self(())
    }

    /// For what is typed at the terminal.
    pub(super) fn at_terminal() -> Self {
        let before = tcgetattr(stdin()).ok();
        *TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) = before;
        Self::begin()
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        WAITING.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Lets the terminal show again what is typed.
fn show_typing() {
    if let Some(before) = &*TERMINAL.lock().unwrap_or_else(PoisonError::into_inner) {
        let _ = tcsetattr(stdin(), SetArg::TCSANOW, before);
    }
}

/// Standard input, where no more is begun before all of it is read.
#[derive(Debug)]
pub(super) struct Stdin;

impl Read for Stdin {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let _waiting = Waiting::begin();
        stdin().lock().read(buffer)
    }
}
