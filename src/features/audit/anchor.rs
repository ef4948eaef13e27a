//! Anchors: heads of the chain that are kept where nobody who can change the database can change
//! them. A file of anchors has one JSON object a line, the newest last.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::chain::Hash;
use super::error::AuditError;
use super::tampering::Tampering;
use crate::infra::private_file::sync_parent;

/// The chain's head at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anchor {
    /// Of which installation.
    pub installation: Uuid,
    /// The position of the last row then.
    pub position: i64,
    pub hash: Hash,
    /// When, by the database's clock.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

impl Anchor {
    /// One line, with its end.
    #[must_use]
    pub fn line(&self) -> String {
        // Texts and numbers always serialise.
        serde_json::to_string(self).unwrap_or_default() + "\n"
    }

    /// Reads anchors, one a line. A last line without an end, as a crash leaves it, is left out if
    /// it is not whole.
    ///
    /// # Errors
    /// [`AuditError::AnchorLine`], [`AuditError::NoAnchor`].
    pub fn read_all(name: &str, reader: impl BufRead) -> Result<Vec<Self>, AuditError> {
        let (anchors, _) = parse(name, reader)?;
        if anchors.is_empty() { Err(AuditError::NoAnchor(name.to_owned())) } else { Ok(anchors) }
    }
}

/// That an anchor belongs to another installation: the first that does.
pub(super) fn foreign(anchors: &[Anchor], installation: Uuid) -> Option<Tampering> {
    anchors.iter().find(|anchor| anchor.installation != installation).map(|anchor| Tampering::ForeignAnchor {
        position: anchor.position,
        installation: anchor.installation.to_string(),
    })
}

/// The anchors, and how many bytes of whole lines there are.
fn parse(name: &str, mut reader: impl BufRead) -> Result<(Vec<Anchor>, u64), AuditError> {
    let (mut anchors, mut whole, mut number) = (Vec::new(), 0, 0);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = reader.read_until(b'\n', &mut line).map_err(failed("read", Path::new(name)))?;
        if read == 0 {
            return Ok((anchors, whole));
        }
        number += 1;
        let ended = line.ends_with(b"\n");
        if !line.trim_ascii().is_empty() {
            match serde_json::from_slice::<Anchor>(&line) {
                Ok(anchor) if anchor.position > 0 => anchors.push(anchor),
                Err(_) if !ended => return Ok((anchors, whole)),
                Ok(_) => return Err(not_one(name, number, "a position counts from 1")),
                Err(error) => return Err(not_one(name, number, &error.to_string())),
            }
        }
        whole += read as u64;
    }
}

fn not_one(name: &str, line: u64, reason: &str) -> AuditError {
    AuditError::AnchorLine { file: name.to_owned(), line, reason: reason.to_owned() }
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> AuditError {
    move |source| AuditError::File { action, path: path.to_owned(), source }
}

/// A file of anchors that is held, so that no one else appends to it.
#[derive(Debug)]
pub struct AnchorFile {
    path: PathBuf,
    file: File,
    anchors: Vec<Anchor>,
    whole: u64,
}

impl AnchorFile {
    /// Opens or makes a file and reads what is in it.
    ///
    /// # Errors
    /// [`AuditError::AnchorLine`], or the system's word.
    pub fn open(path: &Path) -> Result<Self, AuditError> {
        let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let file = opened.map_err(failed("open", path))?;
        file.lock().map_err(failed("lock", path))?;
        let (anchors, whole) = parse(&path.display().to_string(), BufReader::new(&file))?;
        Ok(Self { path: path.to_owned(), file, anchors, whole })
    }

    /// What is in it.
    #[must_use]
    pub fn anchors(&self) -> &[Anchor] {
        &self.anchors
    }

    /// Appends an anchor and waits for the disk. What a crash left half written goes.
    pub fn append(mut self, anchor: &Anchor) -> Result<(), AuditError> {
        self.write(anchor).map_err(failed("append to", &self.path))?;
        Ok(sync_parent(&self.path)?)
    }

    fn write(&mut self, anchor: &Anchor) -> io::Result<()> {
        self.file.set_len(self.whole)?;
        self.file.seek(SeekFrom::End(0))?;
        // An editor may have left the last line without its end.
        let end = if self.ends_a_line()? { "" } else { "\n" };
        self.file.write_all([end, &anchor.line()].concat().as_bytes())?;
        self.file.sync_all()
    }

    fn ends_a_line(&self) -> io::Result<bool> {
        let mut last = [b'\n'];
        if self.whole > 0 {
            std::os::unix::fs::FileExt::read_exact_at(&self.file, &mut last, self.whole - 1)?;
        }
        Ok(last == *b"\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anchor(position: i64) -> Anchor {
        let at = OffsetDateTime::UNIX_EPOCH;
        Anchor { installation: Uuid::nil(), position, hash: Hash::START, at }
    }

    #[test]
    fn a_line_that_a_crash_left_half_written_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anchors");
        AnchorFile::open(&path).unwrap().append(&anchor(1)).unwrap();
        let mut torn = std::fs::read(&path).unwrap();
        torn.extend_from_slice(&anchor(2).line().as_bytes()[..40]);
        std::fs::write(&path, torn).unwrap();
        let file = AnchorFile::open(&path).unwrap();
        assert_eq!(file.anchors(), [anchor(1)]);
        file.append(&anchor(3)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), anchor(1).line() + &anchor(3).line());
    }

    #[test]
    fn a_last_line_without_its_end_is_kept_if_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("anchors");
        std::fs::write(&path, anchor(1).line().trim_end()).unwrap();
        AnchorFile::open(&path).unwrap().append(&anchor(2)).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), anchor(1).line() + &anchor(2).line());
    }

    #[test]
    fn a_line_in_the_middle_that_is_no_anchor_is_refused() {
        let text = anchor(1).line() + "{\"position\":2}\n" + &anchor(3).line();
        let error = Anchor::read_all("it", text.as_bytes()).unwrap_err();
        assert!(matches!(error, AuditError::AnchorLine { line: 2, .. }), "{error}");
        assert!(matches!(Anchor::read_all("it", &b""[..]), Err(AuditError::NoAnchor(_))));
    }
}
