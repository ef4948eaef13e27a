//! A mailbox for development: messages that wait in the outbox of a realm are written as files that only their
//! owner may read, instead of being sent.
//!
//! A process feature. A row is marked after its file is on the disk, in the transaction that makes its token: after
//! a crash in between the same file is written again, with another token, which alone is good. Start reading at
//! [`deliver`].

mod error;
mod text;

use std::path::{Path, PathBuf};

pub use error::MailboxError;
pub use text::Links;

use crate::features::access::{self, rights};
use crate::features::iam::{self, Realm};
use crate::features::outbox;
use crate::infra::db::DbError;
use crate::infra::failpoint;
use crate::infra::private_file::{self, PrivateFileError};
use crate::kernel::{Caller, RealmRef};

/// Most messages of one realm at a time.
const MOST: usize = 500;

/// Where messages are written to.
#[derive(Debug, Clone)]
pub struct Mailbox {
    pub folder: PathBuf,
    pub links: Links,
}

/// Writes the messages that wait in a realm, the oldest first; gives the files.
///
/// # Errors
/// For all but who holds the platform's credentials; when a file cannot be written; the realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn deliver(
    realm: &mut Realm,
    caller: &Caller,
    mailbox: &Mailbox,
) -> Result<Vec<PathBuf>, MailboxError> {
    access::authorize_machine(caller, &rights::DELIVER)?;
    let mut written = Vec::new();
    for _ in 0..MOST {
        match next(realm, mailbox).await? {
            Next::Written(path) => written.push(path),
            Next::Passed => {}
            Next::End => break,
        }
    }
    Ok(written)
}

/// What became of the next message.
enum Next {
    Written(PathBuf),
    /// There was nothing to say any more, or it cannot be said.
    Passed,
    /// There is none.
    End,
}

async fn next(realm: &mut Realm, mailbox: &Mailbox) -> Result<Next, MailboxError> {
    let (rules, place): (_, RealmRef) = (realm.rules().clone(), realm.place().clone());
    let mut tx = realm.anonymous_tx().await?;
    let entry = match outbox::next_message(&mut tx).await {
        Ok(Some(entry)) => entry,
        Ok(None) => {
            outbox::forget_published(&mut tx).await?;
            tx.commit().await.map_err(DbError::from)?;
            return Ok(Next::End);
        }
        // 42P01: the realm's schema is of a version that has no outbox.
        Err(error) if error.state() == Some("42P01") => return Ok(Next::End),
        Err(error) => return Err(error.into()),
    };
    let letter = iam::letter(&mut tx, &rules, &entry).await?;
    let text = letter.and_then(|letter| match mailbox.links.message(&place, &entry, &letter) {
        Ok(text) => Some(text),
        // It would never become better, and others wait behind it.
        Err(error) => {
            tracing::warn!(message = %entry.id, %error, "a message cannot be written");
            None
        }
    });
    let mut done = Next::Passed;
    if let Some(text) = text {
        let path = mailbox.folder.join(format!("{}.eml", entry.id));
        let (folder, file) = (mailbox.folder.clone(), path.clone());
        let written = tokio::task::spawn_blocking(move || write(&folder, &file, &text)).await;
        written.map_err(|_| MailboxError::Stopped)??;
        failpoint::pass(|| "mail.file.written".to_owned()).await;
        done = Next::Written(path);
    }
    outbox::mark_published(&mut tx, entry.id).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(done)
}

fn write(folder: &Path, file: &Path, text: &[u8]) -> Result<(), PrivateFileError> {
    private_file::create_dir(folder)?;
    private_file::replace(file, text)
}
