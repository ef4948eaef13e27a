//! What the mailbox for development holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use mail_parser::{Address, Message, MessageParser};
use time::OffsetDateTime;

use super::views::{MailTextView, MailView};
use super::{LocalError, LocalStack};
use crate::infra::{mail_sink, private_file};

impl LocalStack {
    /// The messages, the newest first. Starts nothing.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub fn mails(&self, most: usize) -> Result<Vec<MailView>, LocalError> {
        let read = self.files()?.into_iter().take(most).map(|file| file.read().map(|text| file.view(&text)));
        // One that was removed meanwhile is none.
        read.filter(|view| !matches!(view, Err(LocalError::MailNotFound { .. }))).collect()
    }

    /// A message by the beginning of its id, or the newest one. Starts nothing.
    ///
    /// # Errors
    /// When there is none, or several begin so.
    pub fn mail(&self, id: Option<&str>) -> Result<MailTextView, LocalError> {
        let wanted = id.unwrap_or_default();
        let mut found: Vec<_> =
            self.files()?.into_iter().filter(|file| file.id.starts_with(wanted)).collect();
        if id.is_none() {
            found.truncate(1);
        }
        let [file] = &found[..] else {
            return Err(match found.len() {
                0 => LocalError::MailNotFound { id: id.map(str::to_owned) },
                many => LocalError::MailAmbiguous { id: wanted.to_owned(), many },
            });
        };
        let text = file.read()?;
        let parsed = MessageParser::default().parse(&text);
        let part = |body: Option<std::borrow::Cow<'_, str>>| body.map(std::borrow::Cow::into_owned);
        Ok(MailTextView {
            mail: file.view(&text),
            text: part(parsed.as_ref().and_then(|it| it.body_text(0))).unwrap_or_default(),
            html: part(
                parsed
                    .as_ref()
                    .filter(|it| it.html_body_count() > 0 && is_page(it))
                    .and_then(|it| it.body_html(0)),
            ),
            file: file.path.clone(),
        })
    }

    /// The files, the newest first.
    fn files(&self) -> Result<Vec<MailFile>, LocalError> {
        let folder = self.layout.mail();
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(LocalError::io("read", &folder)(error)),
        };
        let mut files: Vec<_> = entries.flatten().filter_map(|entry| MailFile::of(&entry.path())).collect();
        files.sort_unstable_by(|a, b| (b.at, &b.id).cmp(&(a.at, &a.id)));
        Ok(files)
    }
}

/// Whether a message has a page of its own, and not a text that could be shown as one.
fn is_page(message: &Message<'_>) -> bool {
    message.html_bodies().any(mail_parser::MessagePart::is_text_html)
}

struct MailFile {
    id: String,
    at: SystemTime,
    path: PathBuf,
}

impl MailFile {
    fn of(path: &Path) -> Option<Self> {
        let id = path.file_stem()?.to_str()?.to_owned();
        let at = fs::symlink_metadata(path).ok().filter(fs::Metadata::is_file)?.modified().ok()?;
        let is_mail = path.extension().is_some_and(|end| end == mail_sink::EXTENSION);
        is_mail.then(|| Self { id, at, path: path.to_owned() })
    }

    fn read(&self) -> Result<Vec<u8>, LocalError> {
        use private_file::PrivateFileError as Refused;
        private_file::read(&self.path).map_err(|error| match error {
            Refused::Io { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                LocalError::MailNotFound { id: Some(self.id.clone()) }
            }
            error => error.into(),
        })
    }

    fn view(&self, text: &[u8]) -> MailView {
        let parsed = MessageParser::default().parse_headers(text);
        let parsed = parsed.as_ref();
        MailView {
            id: self.id.clone(),
            at: OffsetDateTime::from(self.at),
            from: parsed.and_then(Message::from).map(addresses).unwrap_or_default(),
            to: parsed.and_then(Message::to).map(addresses).unwrap_or_default(),
            subject: parsed.and_then(Message::subject).unwrap_or_default().to_owned(),
        }
    }
}

fn addresses(all: &Address<'_>) -> String {
    let one = |it: &mail_parser::Addr<'_>| match (it.name(), it.address()) {
        (Some(name), Some(address)) => format!("{name} <{address}>"),
        (name, address) => name.or(address).unwrap_or_default().to_owned(),
    };
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}
