//! The logs of the stack: opened closed to others, kept small, read from their end.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::layout::Layout;
use super::lock::is_still_at;
use super::{LocalError, LocalStack};

/// A log longer than this many bytes is put aside; one old log is kept.
const LONGEST: u64 = 10 * 1024 * 1024;

/// How often a log is measured while the stack runs.
const MEASURE_EVERY: Duration = Duration::from_secs(2);

/// How often a followed log is looked at.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);

/// What the S3 endpoint's lines in the daemon's log have in common: the name of its code, or of the
/// code that keeps it alive.
const S3_MARKS: [&str; 2] = ["object_server", "s3_part"];

/// Whose log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogSource {
    /// The daemon that keeps the parts alive.
    Daemon,
    /// PostgreSQL.
    Postgres,
    /// The S3 endpoint: its lines of the daemon's log, since it runs inside it.
    S3,
}

impl LogSource {
    fn path(self, layout: &Layout) -> PathBuf {
        match self {
            Self::Daemon | Self::S3 => layout.daemon_log(),
            Self::Postgres => layout.postgres_log(),
        }
    }

    fn takes(self, line: &str) -> bool {
        self != Self::S3 || S3_MARKS.iter().any(|mark| line.contains(mark))
    }
}

impl LocalStack {
    /// The last `lines` lines of a log, oldest first; none when there is no log yet.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn logs(&self, source: LogSource, lines: usize) -> Result<Vec<String>, LocalError> {
        tail(&source.path(&self.layout), lines, |line| source.takes(line))
    }

    /// Gives the last `lines` lines of a log and then each new one as it comes, until `on_line`
    /// answers `false`. Goes on with the new file when the log is put aside at a start.
    ///
    /// # Errors
    /// When the file cannot be read.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn follow(
        &self,
        source: LogSource,
        lines: usize,
        on_line: &mut (dyn FnMut(&str) -> bool + Send),
    ) -> Result<(), LocalError> {
        let path = source.path(&self.layout);
        let mut reader = open_to_read(&path)?;
        let mut last = VecDeque::new();
        let mut pending = Vec::new();
        let mut is_caught_up = false;
        loop {
            if let Some(open) = reader.as_mut() {
                while let Some(line) = next_line(open, &mut pending).map_err(LocalError::io("read", &path))? {
                    if !source.takes(&line) {
                        continue;
                    }
                    if is_caught_up {
                        if !on_line(&line) {
                            return Ok(());
                        }
                    } else {
                        keep_last(&mut last, line, lines);
                    }
                }
            }
            if !is_caught_up {
                is_caught_up = true;
                if last.drain(..).any(|line| !on_line(&line)) {
                    return Ok(());
                }
            }
            tokio::time::sleep(FOLLOW_EVERY).await;
            let is_whole =
                |open: &mut BufReader<File>| is_still_at(open.get_ref(), &path) && !was_emptied(open);
            if !reader.as_mut().is_some_and(is_whole) {
                reader = open_to_read(&path)?;
            }
        }
    }
}

/// Opens a log to append to, 0600, after putting aside one that has grown too long.
///
/// # Errors
/// When the system refuses.
pub(super) fn open(path: &Path) -> Result<File, LocalError> {
    if fs::metadata(path).is_ok_and(|facts| facts.len() > LONGEST) {
        let old = path.with_extension("log.old");
        fs::rename(path, &old).map_err(LocalError::io("put aside", path))?;
    }
    OpenOptions::new().append(true).create(true).mode(0o600).open(path).map_err(LocalError::io("open", path))
}

/// Keeps the logs of a running stack small, until `stop`. Their writers hold them open, and append:
/// so what is in them is copied aside, and they are emptied.
pub(super) async fn keep_small(layout: Layout, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(MEASURE_EVERY) => {}
            () = stop.cancelled() => return,
        }
        for path in [layout.daemon_log(), layout.postgres_log()] {
            let aside = tokio::task::spawn_blocking(move || put_aside(&path).map_err(|error| (path, error)));
            if let Ok(Err((path, error))) = aside.await {
                tracing::warn!(path = %path.display(), %error, "a log that has grown too long cannot be put aside");
            }
        }
    }
}

fn put_aside(path: &Path) -> io::Result<()> {
    if !fs::metadata(path).is_ok_and(|facts| facts.len() > LONGEST) {
        return Ok(());
    }
    let log = OpenOptions::new().read(true).write(true).open(path)?;
    let old = path.with_extension("log.old");
    let mut opening = OpenOptions::new();
    let mut copy = opening.write(true).create(true).truncate(true).mode(0o600).open(&old)?;
    // Of one that grew faster than it is measured only the end is kept.
    let length = log.metadata()?.len();
    (&log).seek(SeekFrom::Start(length.saturating_sub(LONGEST)))?;
    let copied = io::copy(&mut (&log).take(LONGEST), &mut copy);
    // Emptied also where the disk has no room for the copy: that is when it must be.
    log.set_len(0)?;
    copied.map(drop)
}

/// Whether what was read of a log is no longer in it.
fn was_emptied(open: &mut BufReader<File>) -> bool {
    let read = open.stream_position().unwrap_or(0);
    open.get_ref().metadata().is_ok_and(|facts| facts.len() < read)
}

/// The last lines of a log that `takes` wants.
///
/// # Errors
/// When the file cannot be read.
pub(super) fn tail(
    path: &Path,
    lines: usize,
    takes: impl Fn(&str) -> bool,
) -> Result<Vec<String>, LocalError> {
    let mut last = VecDeque::new();
    let Some(mut reader) = open_to_read(path)? else { return Ok(Vec::new()) };
    let mut pending = Vec::new();
    while let Some(line) = next_line(&mut reader, &mut pending).map_err(LocalError::io("read", path))? {
        if takes(&line) {
            keep_last(&mut last, line, lines);
        }
    }
    Ok(last.into())
}

/// The last lines for an error's text: what can be had, without a word of its own failure.
pub(super) fn tail_for_error(path: &Path) -> Vec<String> {
    tail(path, 8, |line| !line.trim().is_empty()).unwrap_or_default()
}

fn keep_last(last: &mut VecDeque<String>, line: String, lines: usize) {
    last.push_back(line);
    while last.len() > lines {
        last.pop_front();
    }
}

fn open_to_read(path: &Path) -> Result<Option<BufReader<File>>, LocalError> {
    match File::open(path) {
        Ok(file) => Ok(Some(BufReader::new(file))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(LocalError::io("open", path)(error)),
    }
}

/// The next whole line; the beginning of one still being written waits in `pending`.
fn next_line(reader: &mut BufReader<File>, pending: &mut Vec<u8>) -> io::Result<Option<String>> {
    reader.read_until(b'\n', pending)?;
    if pending.last() != Some(&b'\n') {
        return Ok(None);
    }
    let line = String::from_utf8_lossy(pending).trim_end().to_owned();
    pending.clear();
    Ok(Some(line))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tail_holds_the_last_lines_that_are_wanted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        assert_eq!(tail(&path, 3, |_| true).unwrap(), Vec::<String>::new());
        fs::write(&path, "one\ntwo object_server\nthree\nfour object_server\nfive\n").unwrap();
        assert_eq!(tail(&path, 2, |_| true).unwrap(), ["four object_server", "five"]);
        assert_eq!(tail(&path, 9, |line| LogSource::S3.takes(line)).unwrap().len(), 2);
    }

    #[test]
    fn a_log_that_grew_too_long_is_put_aside_while_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        let mut writer = open(&path).unwrap();
        let mut reader = open_to_read(&path).unwrap().unwrap();
        let line = [b'x'; 1023].iter().chain(b"\n").copied().collect::<Vec<u8>>();
        for _ in 0..=LONGEST / 1024 {
            io::Write::write_all(&mut writer, &line).unwrap();
        }
        io::copy(&mut reader, &mut io::sink()).unwrap();
        put_aside(&path).unwrap();
        assert!(was_emptied(&mut reader));
        io::Write::write_all(&mut writer, b"new\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
        assert_eq!(fs::metadata(path.with_extension("log.old")).unwrap().len(), LONGEST);
        put_aside(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new\n");
    }

    #[test]
    fn a_log_that_grew_too_long_is_put_aside_at_the_next_start() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("daemon.log");
        open(&path).unwrap().set_len(LONGEST + 1).unwrap();
        assert_eq!(open(&path).unwrap().metadata().unwrap().len(), 0);
        assert!(folder.path().join("daemon.log.old").exists());
    }
}
