//! Commands and answers over a stream, each within its time.

use std::fmt::Debug;
use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use super::outcome::Why;
use super::reply::{Redactor, Reply};

/// Most bytes of a line of an answer. RFC 5321, section 4.5.3.1.5, says 512; servers say more.
const MOST_LINE: usize = 4_096;
/// Most lines of an answer.
const MOST_LINES: usize = 200;
/// How much is shown of what is no answer.
const MOST_SHOWN: usize = 40;
/// The types of records that TLS begins with: an alert, a handshake (RFC 8446, section 5.1).
pub(super) const TLS_RECORDS: [u8; 2] = [0x15, 0x16];

/// A stream to a server.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Debug {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send + Debug> Wire for T {}

/// A stream, and what takes secrets out of the server's words.
#[derive(Debug)]
pub(super) struct Dialogue {
    stream: BufReader<Box<dyn Wire>>,
    redactor: Redactor,
}

impl Dialogue {
    pub(super) fn new(stream: Box<dyn Wire>, redactor: Redactor) -> Self {
        Self { stream: BufReader::new(stream), redactor }
    }

    /// The stream, for TLS to begin on it.
    ///
    /// # Errors
    /// Where the server has already sent more: it would count as said under TLS, and could be anybody's.
    pub(super) fn into_stream(self) -> Result<Box<dyn Wire>, Why> {
        if self.stream.buffer().is_empty() { Ok(self.stream.into_inner()) } else { Err(Why::Injected) }
    }

    /// Sends a command, without its end, and reads the answer, which may be a refusal.
    pub(super) async fn command(&mut self, command: &str, limit: Duration) -> Result<Reply, Why> {
        let line = zeroize::Zeroizing::new(format!("{command}\r\n"));
        let both = async {
            self.send(line.as_bytes()).await?;
            self.read().await
        };
        timeout(limit, both).await.unwrap_or(Err(Why::NoAnswer(limit)))
    }

    /// Reads an answer.
    pub(super) async fn answer(&mut self, limit: Duration) -> Result<Reply, Why> {
        timeout(limit, self.read()).await.unwrap_or(Err(Why::NoAnswer(limit)))
    }

    /// Hands bytes to the system.
    pub(super) async fn write(&mut self, bytes: &[u8], limit: Duration) -> Result<(), Why> {
        timeout(limit, self.send(bytes)).await.unwrap_or(Err(Why::NoAnswer(limit)))
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), Why> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes).await.map_err(|error| broken(&error))?;
        stream.flush().await.map_err(|error| broken(&error))
    }

    async fn read(&mut self) -> Result<Reply, Why> {
        let mut lines = Vec::new();
        loop {
            let line = self.line(lines.is_empty()).await?;
            let goes_on = line.as_bytes().get(3) == Some(&b'-');
            lines.push(line);
            if !goes_on || lines.len() >= MOST_LINES {
                let begin = lines.first().map_or("", String::as_str);
                return Reply::of(&lines, &self.redactor).ok_or_else(|| self.not_smtp(begin));
            }
        }
    }

    /// A line without its end.
    async fn line(&mut self, is_first: bool) -> Result<String, Why> {
        let mut line = Vec::new();
        loop {
            let buffer = self.stream.fill_buf().await.map_err(|error| broken(&error))?;
            if buffer.is_empty() {
                return Err(Why::Closed);
            }
            if is_first && line.is_empty() && TLS_RECORDS.contains(&buffer[0]) {
                return Err(Why::SpeaksTls);
            }
            let end = buffer.iter().position(|c| *c == b'\n');
            let taken = end.map_or(buffer.len(), |at| at + 1);
            line.extend_from_slice(&buffer[..taken]);
            self.stream.consume(taken);
            if line.len() > MOST_LINE {
                return Err(self.not_smtp(&String::from_utf8_lossy(&line)));
            }
            if end.is_some() {
                let text = String::from_utf8_lossy(&line);
                return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
            }
            // What does not begin as an answer never becomes one: nobody has to wait for its line's end.
            if line.len() >= 3 && !line[..3].iter().all(u8::is_ascii_digit) {
                return Err(self.not_smtp(&String::from_utf8_lossy(&line)));
            }
        }
    }

    fn not_smtp(&self, begin: &str) -> Why {
        let shown = self.redactor.clean([begin]).concat();
        Why::NotSmtp(shown.chars().take(MOST_SHOWN).collect())
    }
}

/// The word for a port at which nothing listens.
pub const CONNECTION_REFUSED: &str = "connection refused";

/// What an error of a stream says.
pub(super) fn broken(error: &io::Error) -> Why {
    match error.kind() {
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::UnexpectedEof => {
            Why::Closed
        }
        _ => Why::Io(words(error)),
    }
}

/// The system's words in small letters, without their number.
pub(super) fn words(error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::ConnectionRefused {
        return CONNECTION_REFUSED.to_owned();
    }
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_lowercase()
}
