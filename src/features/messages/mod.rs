//! Messages to people: written when their job runs, with a token made at that moment, and handed to a mail server, for
//! development to a folder, or to the inbox of a user.
//!
//! A process feature. Mail that a server accepted is not sent twice: before a message goes out its row says `sending`,
//! and where nobody wrote what came of it, it is `unknown`, which a person decides about. The realm's session is given
//! back before anything is sent: [`write`], then [`send_written`].

mod compose;
mod error;
mod history;
mod model;
mod store;
mod text;

use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

use time::OffsetDateTime;
use uuid::Uuid;

pub use error::MessageError;
pub use history::{FailedMessage, cancel, failed, list, page, retry, show};
pub use model::{Route, Sender, Sent, Writing, Written};
pub use text::Links;

use crate::features::access::{self, rights};
use crate::features::iam::Realm;
use crate::features::jobs::{Backoff, ClaimedJob, JobEnd, JobKind, Limits, NewJob, Priority, with_jitter};
use crate::features::notifications::{EVENT, suppressions};
use crate::features::outbox::Entry;
use crate::features::templates::Kind;
use crate::infra::circuit::{Pass, Refusal, Transition};
use crate::infra::db::{DbError, LazyLease};
use crate::infra::failpoint;
use crate::infra::private_file::{self, PrivateFileError};
use crate::infra::smtp::{self, Outcome, SmtpClient};
use crate::kernel::ids::is_turn_to_forget;
use crate::kernel::{Caller, TenantId};
use compose::Composed;
use model::{Delivery, MessageState, Next};

/// Sends one message. The payload is the event that asked for it. The attempts take three days.
pub static SEND: JobKind = SEND_LIKE;

const SEND_LIKE: JobKind = JobKind {
    name: "message.send",
    priority: Priority::High,
    max_attempts: 80,
    // Longer than all deadlines of a delivery together, and the wait for a connection: what is cut short is unknown.
    timeout: Duration::from_mins(30),
    backoff: Backoff { first: Duration::from_secs(10), longest: Duration::from_hours(1) },
    limits: Limits::NONE,
};

/// Sends one message that nobody waits for.
pub static NOTIFY: JobKind = JobKind { name: "notification.send", priority: Priority::Normal, ..SEND_LIKE };

/// The farthest moment before which a message may not be sent.
const FARTHEST: time::Duration = time::Duration::days(367);

/// What events that ask for a message begin with.
const EVENTS: &str = "mail.";
/// How often it is tried to record what came of a message, and how long is waited in between.
const RECORD_ATTEMPTS: u32 = 10;
const RECORD_PAUSE: Duration = Duration::from_millis(500);
/// The longest until a message is tried again whose server is left alone. The longer it waits, the less often that is:
/// thousands may wait for one server, and each is written anew for it.
const LONGEST_HOLD: Duration = Duration::from_mins(10);

/// Whether an event of a type asks for a message.
pub(in crate::features) fn is_asked_by(kind: &str) -> bool {
    kind.starts_with(EVENTS)
}

/// The job that an event of a realm asks for. What apps send waits behind what people wait for, but where it is urgent.
pub(in crate::features) fn job(tenant: TenantId, entry: &Entry) -> Option<NewJob> {
    if !is_asked_by(&entry.kind) {
        return None;
    }
    if entry.kind != EVENT {
        return Some(NewJob::new(&SEND, entry));
    }
    let kind = if entry.payload["priority"] == "high" { &SEND } else { &NOTIFY };
    let job = NewJob::new(kind, entry).once(key_of(tenant, entry.id));
    let at = entry.payload["not_before"].as_i64();
    let at = at.and_then(|at| OffsetDateTime::from_unix_timestamp(at).ok());
    // Apps may write events by hand: no job waits for ever.
    Some(match at.filter(|at| *at < entry.at + FARTHEST) {
        Some(at) => job.at(at),
        None => job,
    })
}

/// What the job of a notification is found by.
fn key_of(tenant: TenantId, id: Uuid) -> String {
    format!("message:{tenant}:{id}")
}

/// Writes the message of a job, with a new token where it has one: an older one is good no more.
///
/// # Errors
/// For all but who holds the platform's credentials; the realm's and the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn write(
    realm: &mut Realm,
    caller: &Caller,
    job: &ClaimedJob,
    links: &Links,
) -> Result<Writing, MessageError> {
    access::authorize_machine(caller, &rights::DELIVER)?;
    let Ok(entry) = serde_json::from_value::<Entry>(job.payload.clone()) else {
        return Ok(Writing::Ended(JobEnd::GiveUp { why: "its payload is no event".to_owned() }));
    };
    let known = store::known(realm.control().await?, (job.tenant, entry.id)).await?;
    match model::next(known, job.asked_again) {
        Next::Send => {}
        Next::Done => return Ok(Writing::Ended(JobEnd::Done)),
        Next::Lost { attempt } => {
            let why = "the process that sent it stopped: it may have arrived";
            let outcome = (MessageState::Unknown, Some(why));
            store::end(realm.control().await?, (job.tenant, entry.id, attempt), outcome).await?;
            return Ok(Writing::Ended(JobEnd::GiveUp { why: why.to_owned() }));
        }
        Next::Unknown { why } => return Ok(Writing::Ended(JobEnd::GiveUp { why })),
        Next::Expired => {
            let why = "it could not be sent within 72 hours";
            store::drop_deferred(realm.control().await?, (job.tenant, entry.id), why).await?;
            return Ok(Writing::Ended(JobEnd::GiveUp { why: why.to_owned() }));
        }
    }
    realm.give_control_back();
    let composed = compose::compose(realm, &entry, links).await?;
    failpoint::pass(|| "message.token.made".to_owned()).await;
    let this = Delivery {
        id: entry.id,
        tenant: job.tenant,
        kind: kind_of(&entry),
        attempt: Uuid::now_v7(),
        asked_again: job.asked_again,
        is_last: job.attempt >= SEND.max_attempts,
    };
    let (state, why, end) = match composed {
        Composed::Mail(mail) => return Ok(Writing::Message(Box::new(Written { this, mail: *mail }))),
        Composed::Nothing { why } => {
            store::drop_deferred(realm.control().await?, (job.tenant, entry.id), why).await?;
            return Ok(Writing::Ended(JobEnd::Done));
        }
        Composed::Delivered => (MessageState::Sent, None, JobEnd::Done),
        Composed::Dropped { why } => (MessageState::Cancelled, Some(why.to_owned()), JobEnd::Done),
        Composed::Later { why, pause } => {
            (MessageState::Deferred, Some(why.clone()), JobEnd::Postpone { why, pause })
        }
        Composed::Suppressed { why } | Composed::Failed { why } => {
            (MessageState::Failed, Some(why.clone()), JobEnd::GiveUp { why })
        }
    };
    store::put(realm.control().await?, &this, (state, why.as_deref())).await?;
    Ok(Writing::Ended(end))
}

/// What a message is, for the list: what an app calls it, where it is an app's.
fn kind_of(entry: &Entry) -> String {
    let named = entry.payload["kind"].as_str().and_then(|kind| kind.parse::<Kind>().ok());
    named.filter(|_| entry.kind == EVENT).map_or_else(|| entry.kind.clone(), |kind| kind.to_string())
}

/// Sends a message that was written, and records what came of it.
///
/// # Errors
/// For all but who holds the platform's credentials; when a file cannot be written; the control database's: then
/// nobody sends it again without a person's word, where it may have been accepted.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn send_written(
    control: &mut LazyLease,
    caller: &Caller,
    message: &Written,
    route: &Route<'_>,
) -> Result<Sent, MessageError> {
    access::authorize_machine(caller, &rights::DELIVER)?;
    let sent = match route.sender {
        Sender::Folder(folder) => to_folder(control, message, folder).await?,
        Sender::Smtp(client) => match route.circuits.enter(route.server, Instant::now()) {
            Ok(pass) => to_server(control, message, (client, pass)).await?,
            Err(refusal) => held(control, message, refusal).await?,
        },
    };
    if is_turn_to_forget(message.this.id) {
        store::forget_old(control.get().await?).await?;
    }
    Ok(sent)
}

/// A file is written whole or not at all, and may be written again.
async fn to_folder(
    control: &mut LazyLease,
    Written { this, mail }: &Written,
    folder: &Path,
) -> Result<Sent, MessageError> {
    let path = folder.join(format!("{}.eml", this.id));
    let (folder, file, text) = (folder.to_owned(), path.clone(), mail.content.clone());
    let written = tokio::task::spawn_blocking(move || write_file(&folder, &file, &text)).await;
    written.map_err(|_| MessageError::Stopped)??;
    failpoint::pass(|| "message.file.written".to_owned()).await;
    store::put(control.get().await?, this, (MessageState::Sent, None)).await?;
    Ok(Sent::Ended { end: JobEnd::Done, file: Some(path) })
}

/// That it is on its way is written once the server has taken sender and recipient, and before the message itself.
async fn to_server(
    control: &mut LazyLease,
    Written { this, mail }: &Written,
    (client, pass): (&SmtpClient, Pass),
) -> Result<Sent, MessageError> {
    let mut begun = false;
    let record = async || -> Result<(), MessageError> {
        begun = store::begin(control.get().await?, this).await?;
        control.give_back();
        failpoint::pass(|| "message.sending".to_owned()).await;
        if begun { Ok(()) } else { Err(MessageError::Elsewhere) }
    };
    let outcome = match client.send_recorded(mail, record).await {
        Ok(outcome) => outcome,
        Err(MessageError::Elsewhere) => {
            let why = "another process has sent it, or is about to".to_owned();
            return Ok(Sent::Ended { end: JobEnd::Retry { why }, file: None });
        }
        Err(error) => {
            // Nothing went out; that it is on its way may be written all the same, if only the answer was lost.
            let why = (MessageState::Deferred, "the control database did not answer");
            record_outcome(control, this, true, why).await?;
            return Err(error);
        }
    };
    let is_of_server = matches!(&outcome, Outcome::Deferred(stop) if stop.is_of_server());
    if pass.end(is_of_server, Instant::now()) == Transition::Opened {
        let server = &client.server().host;
        tracing::warn!(
            server,
            "a mail server failed several times in a row: it is left alone for ten seconds at a time"
        );
    }
    failpoint::pass(|| "message.sent".to_owned()).await;
    let words = without(&without(&outcome.words(), mail.to.as_str()), &smtp::wire_address(&mail.to));
    let why =
        if matches!(outcome, Outcome::Unknown(_)) { format!("it may have arrived: {words}") } else { words };
    if outcome.is_no_mailbox() {
        return Ok(Sent::NoMailbox { why });
    }
    let (state, end) = match outcome {
        Outcome::Sent(_) => (MessageState::Sent, JobEnd::Done),
        Outcome::Refused(_) => (MessageState::Failed, JobEnd::GiveUp { why: why.clone() }),
        Outcome::Unknown(_) => (MessageState::Unknown, JobEnd::GiveUp { why: why.clone() }),
        Outcome::Deferred(_) if this.is_last => (MessageState::Failed, JobEnd::Retry { why: why.clone() }),
        Outcome::Deferred(_) => (MessageState::Deferred, JobEnd::Retry { why: why.clone() }),
    };
    record_outcome(control, this, begun, (state, &why)).await?;
    failpoint::pass(|| "message.recorded".to_owned()).await;
    Ok(Sent::Ended { end, file: None })
}

/// Leaves a message for later whose server failed just now: that is no fault of the message, and no attempt.
async fn held(
    control: &mut LazyLease,
    Written { this, .. }: &Written,
    refusal: Refusal,
) -> Result<Sent, MessageError> {
    let open = match refusal {
        Refusal::Open(open) => open,
        Refusal::Full => Duration::ZERO,
    };
    let asked =
        this.id.get_timestamp().map(|at| SystemTime::UNIX_EPOCH + Duration::from_secs(at.to_unix().0));
    let waited = asked.and_then(|at| at.elapsed().ok()).unwrap_or_default();
    let pause = with_jitter((waited / 4).min(LONGEST_HOLD), this.attempt, 1).max(open);
    let why = "the mail server failed several times in a row: it is left alone for a while".to_owned();
    store::hold(control.get().await?, this, &why).await?;
    Ok(Sent::Ended { end: JobEnd::Postpone { why, pause }, file: None })
}

/// Records that a server knows no mailbox of a message's address, which gets no mail from now on. In this order: where
/// a process ends in between, the message is found to be suppressed.
///
/// # Errors
/// For all but who holds the platform's credentials; the realm's and the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn record_bounce(
    realm: &mut Realm,
    caller: &Caller,
    (message, why): (&Written, String),
) -> Result<JobEnd, MessageError> {
    access::authorize_machine(caller, &rights::DELIVER)?;
    suppressions::bounced(realm, caller, &message.mail.to).await?;
    failpoint::pass(|| "message.suppressed".to_owned()).await;
    store::put(realm.control().await?, &message.this, (MessageState::Failed, Some(&why))).await?;
    Ok(JobEnd::GiveUp { why })
}

/// Records what came of a message. A database that is away for some seconds makes nothing unknown.
async fn record_outcome(
    control: &mut LazyLease,
    this: &Delivery,
    begun: bool,
    (state, why): (MessageState, &str),
) -> Result<(), DbError> {
    for attempt in 1.. {
        let recorded = async {
            let session = control.get().await?;
            if begun {
                store::end(session, (this.tenant, this.id, this.attempt), (state, Some(why))).await
            } else {
                store::put(session, this, (state, Some(why))).await
            }
        };
        match recorded.await {
            Err(error) if attempt < RECORD_ATTEMPTS => {
                tracing::debug!(%error, "what came of a message cannot be recorded yet");
                control.give_back();
                tokio::time::sleep(RECORD_PAUSE).await;
            }
            recorded => return recorded,
        }
    }
    Ok(())
}

fn write_file(folder: &Path, file: &Path, text: &[u8]) -> Result<(), PrivateFileError> {
    private_file::create_dir(folder)?;
    private_file::replace(file, text)
}

/// A text without an address: who was written to stands in no table of the control database.
fn without(text: &str, address: &str) -> String {
    let mut kept = String::new();
    let mut rest = text;
    let address = address.to_ascii_lowercase();
    while let Some(at) = rest.to_ascii_lowercase().find(&address).filter(|_| !address.is_empty()) {
        kept.push_str(&rest[..at]);
        kept.push_str("[recipient]");
        rest = &rest[at + address.len()..];
    }
    kept + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_says_is_kept_without_the_address() {
        let said = "550 5.1.1 <Bob@Acme.example>: user bob@acme.example is not known";
        assert_eq!(
            without(said, "bob@acme.example"),
            "550 5.1.1 <[recipient]>: user [recipient] is not known"
        );
        assert_eq!(without("Größe 12", "x@y.example"), "Größe 12");
    }
}
