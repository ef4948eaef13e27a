//! Standard error: notes, errors and the log, kept apart from progress lines.

use std::io::{Write, stderr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use indicatif::{MultiProgress, ProgressDrawTarget};

/// Standard error. Cheap to clone. A failure to write to it is ignored: there is nowhere left to
/// tell of it.
#[derive(Debug, Clone)]
pub struct Console(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    terminal: bool,
    colour: bool,
    notes: Notes,
    bars: MultiProgress,
    held: Mutex<Vec<String>>,
}

/// When notes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notes {
    /// As they come.
    AtOnce,
    /// When the command has ended well; if it has not, never.
    AtTheEnd,
    /// Never.
    Never,
}

impl Console {
    /// Of what standard error is connected to.
    #[must_use]
    pub fn new(terminal: bool, colour: bool, notes: Notes) -> Self {
        let target = match notes {
            Notes::AtOnce if terminal => ProgressDrawTarget::stderr(),
            _ => ProgressDrawTarget::hidden(),
        };
        let bars = MultiProgress::with_draw_target(target);
        Self(Arc::new(Inner { terminal, colour, notes, bars, held: Mutex::default() }))
    }

    /// Whether it is a terminal.
    #[must_use]
    pub fn terminal(&self) -> bool {
        self.0.terminal
    }

    /// Whether colour goes to it.
    #[must_use]
    pub fn colour(&self) -> bool {
        self.0.colour
    }

    /// Whether progress is not to be shown.
    #[must_use]
    pub fn silent(&self) -> bool {
        self.0.notes != Notes::AtOnce
    }

    /// The progress lines at its foot.
    #[must_use]
    pub fn bars(&self) -> &MultiProgress {
        &self.0.bars
    }

    pub(super) fn note(&self, line: &str) {
        match self.0.notes {
            Notes::AtOnce => self.write(format!("{line}\n").as_bytes()),
            Notes::AtTheEnd => self.held().push(line.to_owned()),
            Notes::Never => {}
        }
    }

    pub(super) fn error(&self, text: &str) {
        let _ = self.0.bars.clear();
        self.write(format!("{}\n", text.trim_end_matches('\n')).as_bytes());
    }

    pub(super) fn write(&self, bytes: &[u8]) {
        self.0.bars.suspend(|| {
            let _ = stderr().write_all(bytes);
        });
    }

    pub(super) fn release(&self) {
        let lines = std::mem::take(&mut *self.held());
        for line in lines {
            self.write(format!("{line}\n").as_bytes());
        }
    }

    fn held(&self) -> MutexGuard<'_, Vec<String>> {
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn restore(&self) {
        let _ = self.0.bars.clear();
        if self.0.terminal {
            let _ = dialoguer::console::Term::stderr().show_cursor();
        }
    }
}
