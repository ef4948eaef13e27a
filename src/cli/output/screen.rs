//! The screen: knows the format, what is a terminal, and how wide it is.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write, stderr, stdin, stdout};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use clap::ValueEnum;
use clap::builder::StyledStr;
use dialoguer::console::Term;

use super::super::{GlobalArgs, hint};
use super::console::{Console, Notes};
use super::escape;
use super::installation;
use super::mask::masked;
use super::pager::{Paging, Shown};
use crate::kernel::brief::bounded;
use crate::kernel::{Failure, Hint};

/// How data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum Format {
    /// A table on a terminal; elsewhere its rows, separated by tabs
    #[default]
    Table,
    /// A list is an array, a thing is an object
    Json,
    /// The same fields as JSON
    Yaml,
    /// A header and rows
    Csv,
    /// Ids or names only, one a line
    Id,
}

/// Data could not be written.
#[derive(Debug, thiserror::Error, Failure)]
pub enum OutputError {
    /// Data could not be written to standard output.
    #[error("cannot write to standard output: {0}")]
    #[failure(Unavailable, "output_failed")]
    Write(#[from] io::Error),
    /// SIGTERM came while a pager showed it.
    #[error("stopped; nothing was changed")]
    #[failure(Interrupted, "interrupted")]
    Stopped,
    /// A view that its format cannot carry: a bug.
    #[error("cannot write this as {format}: {reason}")]
    #[failure(Internal, "output_shape")]
    Shape { format: &'static str, reason: String },
}

/// Where output goes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Screen {
    format: Format,
    data: Arc<Data>,
    console: Console,
    verbose: bool,
    /// Whether the command only reads.
    reads: bool,
    /// The flags that say which installation this is about.
    installation: Arc<str>,
}

#[derive(Debug)]
struct Data {
    out: Mutex<BufWriter<Stdout>>,
    terminal: bool,
    colour: bool,
    /// Whether a long table goes through a pager.
    pager: bool,
    paging: Paging,
    reader_left: AtomicBool,
}

impl Screen {
    /// Of the flags and what this process's streams are connected to.
    #[must_use]
    pub fn new(flags: &GlobalArgs) -> Self {
        let terminal = stdout().is_terminal();
        let data = Data {
            out: Mutex::new(BufWriter::with_capacity(64 * 1024, stdout())),
            terminal,
            colour: terminal && colour_wanted(),
            pager: terminal && !flags.no_pager && stdin().is_terminal(),
            paging: Paging::default(),
            reader_left: AtomicBool::new(false),
        };
        let talk_terminal = stderr().is_terminal();
        let notes = match flags.output {
            _ if flags.quiet => Notes::Never,
            // A script that reads an error as JSON should not have to look for it among notes.
            Format::Json if !talk_terminal => Notes::AtTheEnd,
            _ => Notes::AtOnce,
        };
        Self {
            format: flags.output,
            data: Arc::new(data),
            console: Console::new(talk_terminal, talk_terminal && colour_wanted(), notes),
            verbose: flags.verbose > 0,
            reads: false,
            installation: installation::flags(flags).into(),
        }
    }

    /// The same, of a command that only reads, or of one that does not.
    #[must_use]
    pub fn reading(self, reads: bool) -> Self {
        Self { reads, ..self }
    }

    /// Whether the command only reads.
    #[must_use]
    pub fn reads(&self) -> bool {
        self.reads
    }

    /// How data is written.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Whether errors are JSON objects.
    #[must_use]
    pub fn json(&self) -> bool {
        self.format == Format::Json
    }

    /// Whether an error's causes are shown.
    #[must_use]
    pub fn verbose(&self) -> bool {
        self.verbose
    }

    /// Whether data goes to a terminal.
    #[must_use]
    pub fn data_on_terminal(&self) -> bool {
        self.data.terminal
    }

    /// Whether there is a person to ask: standard input and standard error are a terminal.
    #[must_use]
    pub fn can_ask(&self) -> bool {
        stdin().is_terminal() && self.console.terminal()
    }

    /// Columns of the terminal that data goes to; `None` where there is none.
    #[must_use]
    pub fn width(&self) -> Option<u16> {
        if !self.data.terminal {
            return None;
        }
        Term::stdout().size_checked().map(|(_, columns)| columns).filter(|columns| *columns >= 20)
    }

    /// Where talk goes.
    #[must_use]
    pub fn console(&self) -> &Console {
        &self.console
    }

    /// Whether colour goes to standard error.
    #[must_use]
    pub fn colour_on_stderr(&self) -> bool {
        self.console.colour()
    }

    /// Whether colour goes to standard output.
    #[must_use]
    pub fn colour_on_stdout(&self) -> bool {
        self.data.colour
    }

    /// Tells a person something; not with `--quiet`.
    pub fn note(&self, sentence: &str) {
        self.console.note(&masked(&self.hint(&escape::sentence(&bounded(sentence)))));
    }

    /// The flags that say which installation this is about, each with a space before it.
    #[must_use]
    pub fn installation(&self) -> &str {
        &self.installation
    }

    /// A sentence that may hold commands to type: they work on the installation of this one.
    #[must_use]
    pub fn hint(&self, sentence: &str) -> String {
        installation::kept(sentence, &self.installation).into_owned()
    }

    /// A hint as a sentence, its command for the installation of this one.
    #[must_use]
    pub fn rendered(&self, hint: &Hint) -> String {
        self.hint(&hint::sentence(hint))
    }

    /// Tells a person that something is odd; not with `--quiet`.
    pub fn warn(&self, sentence: &str) {
        self.console.note(&masked(&self.tagged("warning", &bounded(sentence))));
    }

    /// Writes an error that [`super::super::exit`] has put into words; what looks like a secret, which
    /// somebody may have put in the wrong place, is not repeated.
    pub fn error(&self, text: &str) {
        let safe = if self.json() { escape::json(text) } else { text.into() };
        self.console.error(&masked(&safe));
    }

    /// Writes an event of the log.
    pub fn log(&self, event: &[u8]) {
        match std::str::from_utf8(event) {
            Ok(text) => self.console.write(escape::event(text).as_bytes()),
            Err(_) => self.console.write(event),
        }
    }

    /// Writes the notes that were held back for the sake of an error that did not come.
    pub fn release_notes(&self) {
        self.console.release();
    }

    /// Takes progress away and shows the cursor again.
    pub fn restore_terminal(&self) {
        self.console.restore();
    }

    /// A label in colour, and a sentence.
    #[must_use]
    pub fn tagged(&self, label: &str, sentence: &str) -> String {
        let sentence = escape::sentence(sentence);
        if !self.console.colour() {
            return format!("{label}: {sentence}");
        }
        // SGR codes, ECMA-48 section 8.3.117: 1 bold, 31 red, 33 yellow, 36 cyan.
        let colour = match label {
            "error" => "1;31",
            "warning" => "1;33",
            _ => "36",
        };
        format!("\u{1b}[{colour}m{label}:\u{1b}[0m {sentence}")
    }

    /// Clap's text, coloured if standard output may be.
    #[must_use]
    pub fn styled_for_data(&self, text: &StyledStr) -> String {
        if self.data.colour { text.ansi().to_string() } else { text.to_string() }
    }

    /// Clap's text, coloured if standard error may be.
    #[must_use]
    pub fn styled_for_errors(&self, text: &StyledStr) -> String {
        if self.console.colour() { text.ansi().to_string() } else { text.to_string() }
    }

    /// Writes bytes as they are: scripts, manual pages, files.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn raw(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let mut out = self.data.out.lock().unwrap_or_else(PoisonError::into_inner);
        self.noticing(out.write_all(bytes))
    }

    /// Writes a table: through a pager where it is longer than the terminal.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub(super) fn table(&self, bytes: &[u8]) -> Result<(), OutputError> {
        let rows = Term::stdout().size_checked().map_or(u16::MAX, |(rows, _)| rows);
        let lines = bytes.split(|byte| *byte == b'\n').count() - 1;
        if !self.data.pager || lines < usize::from(rows) {
            return self.raw(bytes);
        }
        self.flush()?;
        match self.data.paging.show(bytes)? {
            Shown::Yes => Ok(()),
            Shown::No => self.raw(bytes),
            Shown::Stopped => Err(OutputError::Stopped),
        }
    }

    /// Whether a pager has the terminal, and Ctrl-C with it.
    #[must_use]
    pub fn paging(&self) -> bool {
        self.data.paging.runs()
    }

    /// Ends the pager that has the terminal.
    pub fn stop_pager(&self) {
        if self.paging() {
            self.data.paging.stop();
        }
    }

    /// Writes JSON that a feature made: as it is, except on a terminal, which must not obey it.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn raw_json(&self, bytes: &[u8]) -> Result<(), OutputError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if self.data.terminal => self.raw(escape::json(text).as_bytes()),
            _ => self.raw(bytes),
        }
    }

    /// Writes lines that a feature made: as they are, except on a terminal.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn raw_lines(&self, bytes: &[u8]) -> Result<(), OutputError> {
        match std::str::from_utf8(bytes) {
            Ok(text) if self.data.terminal => self.raw(escape::sentence(text).as_bytes()),
            _ => self.raw(bytes),
        }
    }

    /// Hands everything that was written to the system.
    ///
    /// # Errors
    /// When standard output takes no more.
    pub fn flush(&self) -> Result<(), OutputError> {
        let mut out = self.data.out.lock().unwrap_or_else(PoisonError::into_inner);
        self.noticing(out.flush())
    }

    /// Whether the reader of standard output has gone, which is no failure (`| head`).
    #[must_use]
    pub fn reader_left(&self) -> bool {
        self.data.reader_left.load(Ordering::Relaxed)
    }

    fn noticing(&self, result: io::Result<()>) -> Result<(), OutputError> {
        result.map_err(|error| {
            if error.kind() == io::ErrorKind::BrokenPipe {
                self.data.reader_left.store(true, Ordering::Relaxed);
            }
            OutputError::Write(error)
        })
    }
}

/// Whether colour is wanted where it is possible (no-color.org; `TERM=dumb`).
fn colour_wanted() -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    !set("NO_COLOR") && std::env::var_os("TERM").is_none_or(|term| term != "dumb")
}
