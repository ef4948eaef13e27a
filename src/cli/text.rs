//! The text of a file that a command is given, and which line of it is meant.

use std::io::{BufRead, BufReader, Read};

use zeroize::Zeroizing;

use super::arguments::Input;
use super::interrupt::Stdin;
use crate::kernel::{Failure, text};

/// How much is read: more is refused, and not kept in memory.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Bytes of the whole.
    pub(super) bytes: usize,
    /// Bytes of a line.
    pub(super) line: usize,
}

impl Most {
    /// Of a file with a thing in each line. A line has room for a profile of 64 KiB, each quote of
    /// which CSV doubles.
    pub(super) const LINES: Self = Self { bytes: 256 << 20, line: 256 << 10 };
}

/// Why a file was refused.
#[derive(Debug, thiserror::Error, Failure)]
pub(super) enum InputError {
    /// A file of lines cannot be read.
    #[error("cannot read {name}: {source}")]
    #[failure(Invalid, "input_unreadable")]
    Unreadable { name: String, source: std::io::Error },
    /// A file of lines is too long.
    #[error("{name} is longer than {}", size(*most))]
    #[failure(Invalid, "input_too_long")]
    Large { name: String, most: usize },
    /// A line is too long.
    #[error("line {line} of {name} is longer than {}", size(*most))]
    #[failure(Invalid, "input_too_long")]
    Line { name: String, line: usize, most: usize },
    /// A file of lines is not text.
    #[error("{0} is not UTF-8 text")]
    #[failure(Invalid, "input_invalid")]
    NotText(String),
    /// A file of lines is empty.
    #[error("{name} is empty: it lists no {what}")]
    #[failure(Invalid, "input_empty")]
    Blank { name: String, what: &'static str },
    /// A file of lines asks for nothing.
    #[error("{name} lists no {what}")]
    #[failure(Invalid, "input_empty")]
    #[hint("see the fields that a line has: nexus {what} create --help")]
    Empty { name: String, what: &'static str },
    /// Some lines of a file are wrong.
    #[error("{} in {name}; nothing was created:\n{}", text::counted(*count, "invalid line"), shown.join("\n"))]
    #[failure(Invalid, "input_invalid")]
    #[hint("see the fields that a line has: nexus {what} create --help")]
    #[details(count, lines = shown)]
    Lines { name: String, what: &'static str, count: usize, shown: Vec<String> },
}

fn size(bytes: usize) -> String {
    if bytes < 1 << 20 { format!("{} KiB", bytes >> 10) } else { format!("{} MiB", bytes >> 20) }
}

/// Reads a file, or standard input: its name for messages, and its text, which may hold passwords.
pub(super) fn read(input: &Input, most: Most) -> Result<(String, Zeroizing<String>), InputError> {
    let (name, read) = match input {
        Input::Stdin => {
            let name = "standard input".to_owned();
            let read = all(&mut BufReader::with_capacity(1 << 16, Stdin), &name, most);
            (name, read)
        }
        Input::File(path) => {
            let name = path.display().to_string();
            let opened = std::fs::File::open(path);
            let read = match opened {
                Ok(file) => all(&mut BufReader::with_capacity(1 << 16, file), &name, most),
                Err(source) => Err(InputError::Unreadable { name: name.clone(), source }),
            };
            (name, read)
        }
    };
    Ok((name, read?))
}

fn all(from: &mut dyn BufRead, name: &str, most: Most) -> Result<Zeroizing<String>, InputError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let (mut line, limit) = (0, most.line + 1);
    loop {
        line += 1;
        let read = Read::take(&mut *from, limit as u64).read_until(b'\n', &mut bytes);
        match read {
            Ok(0) => break,
            Ok(_) if bytes.len() > most.bytes => {
                return Err(InputError::Large { name: name.to_owned(), most: most.bytes });
            }
            Ok(length) if length == limit && bytes.last() != Some(&b'\n') => {
                return Err(InputError::Line { name: name.to_owned(), line, most: most.line });
            }
            Ok(_) => {}
            Err(source) => return Err(InputError::Unreadable { name: name.to_owned(), source }),
        }
    }
    if bytes.starts_with(&text::MARK) {
        bytes.drain(..text::MARK.len());
    }
    // Taken over, not copied: it can be long.
    String::from_utf8(std::mem::take(&mut *bytes)).map(Zeroizing::new).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        InputError::NotText(name.to_owned())
    })
}

/// Counts the lines up to records of CSV. The reader's own count is one too low where lines end in
/// CR LF: it sees a record end at the CR, and the LF is still to come.
pub(super) struct Lines<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Lines<'a> {
    /// Before the first record.
    pub(super) fn of(text: &'a str) -> Self {
        Self { text: text.as_bytes(), at: 0, line: 1 }
    }

    /// The line on which a record begins. Records come in their order.
    pub(super) fn line(&mut self, position: Option<&csv::Position>) -> usize {
        let byte = position.map_or(0, csv::Position::byte);
        let mut to = usize::try_from(byte).unwrap_or(usize::MAX).clamp(self.at, self.text.len());
        // Empty lines before a record are no part of it.
        while self.text.get(to).is_some_and(|byte| matches!(byte, b'\r' | b'\n')) {
            to += 1;
        }
        let passed = self.text.get(self.at..to).unwrap_or_default();
        self.line += passed.split(|byte| *byte == b'\n').skip(1).count();
        self.at = to;
        self.line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FEW: Most = Most { bytes: 32, line: 10 };

    fn read(mut bytes: &[u8]) -> Result<String, String> {
        all(&mut bytes, "it", FEW).map(|text| text.to_string()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_text_is_read_and_a_long_line_or_text_is_refused() {
        assert_eq!(read(b"0123456789\n0123456789").unwrap(), "0123456789\n0123456789");
        assert!(read(b"a\n0123456789X\n").unwrap_err().starts_with("line 2 of it is longer"));
        assert!(read(b"01234567\n01234567\n01234567\n01234567\n").unwrap_err().starts_with("it is longer"));
        assert_eq!(read(b"\xff").unwrap_err(), "it is not UTF-8 text");
    }

    #[test]
    fn an_endless_line_is_not_read_to_its_end() {
        let mut endless = BufReader::new(std::io::repeat(b'a'));
        assert!(matches!(all(&mut endless, "it", Most::LINES), Err(InputError::Line { line: 1, .. })));
    }

    #[test]
    fn lines_are_counted_as_an_editor_counts_them() {
        for text in [
            "a\n1\n2\n\n3\n",
            "a\r\n1\r\n2\r\n\r\n3\r\n",
            "\u{feff}a\r\n1\r\n2\r\n\r\n3",
            "a\n1\n\"2\"\n\n3",
            "a\r\n1\r\n2\r\n\r\n\"3\r\n\"\r\n",
        ] {
            let mut lines = Lines::of(text);
            let mut reader = csv::Reader::from_reader(text.as_bytes());
            let seen: Vec<_> = reader.records().map(|it| lines.line(it.unwrap().position())).collect();
            assert_eq!(seen, [2, 3, 5], "{text:?}");
        }
    }
}
