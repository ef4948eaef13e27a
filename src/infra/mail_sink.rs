//! A mail server for development (RFC 5321): takes every message that it is sent, for whomever, and keeps it as a
//! file that only its owner may read. Nothing goes any further.
//!
//! A message is on the disk before it is accepted, so that a kill loses none that a client takes for sent.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::private_file::{self, PrivateFileError};

/// Most bytes of a message.
const MOST_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes of a command, and of an address in it.
const MOST_COMMAND: usize = 4_096;
const MOST_ADDRESS: usize = 320;
/// Most recipients of a message.
const MOST_RECIPIENTS: usize = 100;
/// Most clients at a time.
const MOST_CLIENTS: usize = 32;
/// Most messages that are kept: the oldest go.
const MOST_MESSAGES: usize = 1_000;
/// How long a client may say nothing.
const SILENCE_TIMEOUT: Duration = Duration::from_mins(5);
/// How long messages under way may take at a stop.
const FINISH_TIMEOUT: Duration = Duration::from_secs(2);
/// How long to wait where the system gives no connection, e.g. because too many files are open.
const AGAIN: Duration = Duration::from_millis(200);
/// What the names of files end with.
pub const EXTENSION: &str = "eml";

/// Takes mail until it is stopped.
pub async fn serve(listener: TcpListener, folder: PathBuf, stop: CancellationToken) {
    let (tasks, room) = (TaskTracker::new(), Arc::new(Semaphore::new(MOST_CLIENTS)));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let Ok((stream, _)) = accepted else {
            sleep(AGAIN).await;
            continue;
        };
        let Ok(place) = Arc::clone(&room).try_acquire_owned() else {
            tasks.spawn(turn_away(stream));
            continue;
        };
        let (folder, stop) = (folder.clone(), stop.clone());
        tasks.spawn(async move {
            let _place = place;
            let mut client = Client::new(stream, folder);
            // A client that went away is nobody's fault.
            let _ = client.serve(&stop).await;
        });
    }
    tasks.close();
    let _ = timeout(FINISH_TIMEOUT, tasks.wait()).await;
}

async fn turn_away(mut stream: TcpStream) {
    let _ = stream.write_all(b"421 4.3.2 too many connections\r\n").await;
}

/// What a client has said so far.
struct Client {
    stream: BufReader<TcpStream>,
    folder: PathBuf,
    sender: Option<String>,
    recipients: Vec<String>,
}

/// What came of reading a line.
enum Line {
    Whole(Vec<u8>),
    /// Longer than it may be; read to its end.
    TooLong,
    /// The client is gone, silent, or the server stops.
    End,
}

impl Client {
    fn new(stream: TcpStream, folder: PathBuf) -> Self {
        Self { stream: BufReader::new(stream), folder, sender: None, recipients: Vec::new() }
    }

    async fn serve(&mut self, stop: &CancellationToken) -> io::Result<()> {
        self.say("220 localhost ESMTP Nexus mailbox for development").await?;
        loop {
            let line = tokio::select! {
                line = self.line(MOST_COMMAND) => line?,
                () = stop.cancelled() => return self.say("421 4.3.2 stopping").await,
            };
            let command = match line {
                Line::End => return Ok(()),
                Line::TooLong => {
                    self.say("500 5.5.2 the line is too long").await?;
                    continue;
                }
                Line::Whole(line) => String::from_utf8_lossy(&line).trim_end().to_owned(),
            };
            let (verb, rest) = command.split_once(' ').unwrap_or((&command, ""));
            match verb.to_ascii_uppercase().as_str() {
                "DATA" => self.message().await?,
                "QUIT" => return self.say("221 2.0.0 bye").await,
                verb => {
                    let answer = self.answer(verb, rest);
                    self.say(&answer).await?;
                }
            }
        }
    }

    /// The answer to a command that carries no message.
    fn answer(&mut self, verb: &str, rest: &str) -> String {
        let path = |word: &str| path_of(rest, word);
        match verb {
            "EHLO" | "HELO" => {
                self.forget();
                let can = format!("8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n250 SIZE {MOST_BYTES}");
                if verb == "HELO" {
                    "250 localhost".to_owned()
                } else {
                    format!("250-localhost\r\n250-{can}")
                }
            }
            "MAIL" => match path("FROM:") {
                None => "501 5.5.4 MAIL FROM:<address>".to_owned(),
                Some(_) if announced(rest) > MOST_BYTES => too_large(),
                Some(sender) => {
                    self.forget();
                    self.sender = Some(sender);
                    "250 2.1.0 ok".to_owned()
                }
            },
            "RCPT" => match path("TO:") {
                _ if self.sender.is_none() => "503 5.5.1 MAIL comes first".to_owned(),
                _ if self.recipients.len() >= MOST_RECIPIENTS => "452 4.5.3 too many recipients".to_owned(),
                Some(recipient) if !recipient.is_empty() => {
                    self.recipients.push(recipient);
                    "250 2.1.5 ok".to_owned()
                }
                _ => "501 5.5.4 RCPT TO:<address>".to_owned(),
            },
            "RSET" => {
                self.forget();
                "250 2.0.0 ok".to_owned()
            }
            "NOOP" => "250 2.0.0 ok".to_owned(),
            "VRFY" => "252 2.5.0 every address is taken".to_owned(),
            _ => "502 5.5.1 not known here".to_owned(),
        }
    }

    async fn message(&mut self) -> io::Result<()> {
        if self.recipients.is_empty() {
            return self.say("503 5.5.1 RCPT comes first").await;
        }
        self.say("354 end with a line that holds a dot alone").await?;
        let Some(content) = self.content().await? else { return self.say(&too_large()).await };
        let mut text = format!("Return-Path: <{}>\r\n", self.sender.take().unwrap_or_default()).into_bytes();
        for recipient in self.recipients.drain(..) {
            text.extend_from_slice(format!("Delivered-To: {recipient}\r\n").as_bytes());
        }
        text.extend_from_slice(&content);
        let folder = self.folder.clone();
        let kept = tokio::task::spawn_blocking(move || keep(&folder, &text)).await;
        match kept {
            Ok(Ok(id)) => self.say(&format!("250 2.0.0 kept as {id}")).await,
            Ok(Err(error)) => {
                tracing::error!(%error, "a message could not be kept");
                self.say("451 4.3.0 the message could not be kept").await
            }
            Err(_) => self.say("451 4.3.0 stopping").await,
        }
    }

    /// A message without the dots that were put before its lines; `None` where it is too large.
    async fn content(&mut self) -> io::Result<Option<Vec<u8>>> {
        let (mut content, mut fits, mut after_crlf) = (Vec::new(), true, true);
        loop {
            let line = match self.line(MOST_BYTES).await? {
                Line::Whole(line) => line,
                Line::TooLong => {
                    (fits, after_crlf) = (false, true);
                    continue;
                }
                Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            if after_crlf && line == b".\r\n" {
                return Ok(fits.then_some(content));
            }
            let stuffed = after_crlf && line.starts_with(b".");
            after_crlf = line.ends_with(b"\r\n");
            fits = fits && content.len() + line.len() <= MOST_BYTES;
            if fits {
                content.extend_from_slice(&line[usize::from(stuffed)..]);
            }
        }
    }

    async fn line(&mut self, most: usize) -> io::Result<Line> {
        let mut line = Vec::new();
        let limit = u64::try_from(most).unwrap_or(u64::MAX);
        let read =
            timeout(SILENCE_TIMEOUT, (&mut self.stream).take(limit).read_until(b'\n', &mut line)).await;
        match read {
            Err(_) | Ok(Ok(0)) => return Ok(Line::End),
            Ok(read) => read?,
        };
        if line.ends_with(b"\n") {
            return Ok(Line::Whole(line));
        }
        if line.len() < most {
            return Ok(Line::End);
        }
        loop {
            let buffer =
                timeout(SILENCE_TIMEOUT, self.stream.fill_buf()).await.map_err(io::Error::from)??;
            let end = buffer.iter().position(|byte| *byte == b'\n');
            let (taken, is_gone) = (end.map_or(buffer.len(), |at| at + 1), buffer.is_empty());
            self.stream.consume(taken);
            if is_gone {
                return Ok(Line::End);
            }
            if end.is_some() {
                return Ok(Line::TooLong);
            }
        }
    }

    fn forget(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    async fn say(&mut self, answer: &str) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await
    }
}

fn too_large() -> String {
    format!("552 5.3.4 a message has at most {MOST_BYTES} bytes")
}

/// The address in `FROM:<…>` or `TO:<…>`, which may be empty.
fn path_of(rest: &str, word: &str) -> Option<String> {
    let given = rest.split_at_checked(word.len()).filter(|(begin, _)| begin.eq_ignore_ascii_case(word))?.1;
    let (address, _) = given.trim_start().strip_prefix('<')?.split_once('>')?;
    let fits = address.len() <= MOST_ADDRESS && !address.contains(char::is_control);
    fits.then(|| address.to_owned())
}

/// How large a client says that its message is (RFC 1870).
fn announced(rest: &str) -> usize {
    let size = rest.split(' ').find_map(|word| word.to_ascii_uppercase().strip_prefix("SIZE=")?.parse().ok());
    size.unwrap_or(0)
}

/// Keeps a message under an id of its own.
fn keep(folder: &Path, text: &[u8]) -> Result<String, PrivateFileError> {
    private_file::create_dir(folder)?;
    loop {
        let mut id = Uuid::new_v4().simple().to_string();
        id.truncate(8);
        let path = folder.join(format!("{id}.{EXTENSION}"));
        if path.exists() {
            continue;
        }
        private_file::replace(&path, text)?;
        remove_oldest(folder);
        return Ok(id);
    }
}

/// What cannot be removed stays.
fn remove_oldest(folder: &Path) {
    let mut all: Vec<(SystemTime, PathBuf)> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|end| end == EXTENSION))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    if all.len() <= MOST_MESSAGES {
        return;
    }
    all.sort_unstable();
    let surplus = all.len() - MOST_MESSAGES;
    for (_, path) in all.into_iter().take(surplus) {
        let _ = fs::remove_file(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stands_between_its_signs() {
        let path = |rest: &str| path_of(rest, "FROM:");
        assert_eq!(path("FROM:<a@b.example> SIZE=3").as_deref(), Some("a@b.example"));
        assert_eq!(path("from: <>").as_deref(), Some(""));
        for wrong in ["FROM:a@b", "TO:<a@b>", "", "FROM:<a@b", "FROM:<a\u{7}@b>", "FR"] {
            assert_eq!(path(wrong), None, "{wrong}");
        }
        assert_eq!(announced("FROM:<a@b> BODY=8BITMIME SIZE=1234"), 1234);
    }

    #[test]
    fn what_is_kept_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mail = folder.path().join("mail");
        let id = keep(&mail, b"Subject: x\r\n\r\n").unwrap();
        let facts = fs::metadata(mail.join(format!("{id}.eml"))).unwrap();
        assert_eq!(facts.permissions().mode() & 0o777, 0o600);
    }
}
