//! What a message is, and what may be done with it next.

use std::path::PathBuf;

use uuid::Uuid;

use crate::features::jobs::JobEnd;
use crate::infra::circuit::Circuits;
use crate::infra::db::stored_as_text;
use crate::infra::smtp::{Outgoing, SmtpClient};
use crate::kernel::TenantId;

/// Where messages go.
#[derive(Debug, Clone)]
pub enum Sender {
    /// Files that only their owner may read: a mailbox for development.
    Folder(PathBuf),
    /// A mail server.
    Smtp(SmtpClient),
}

/// Where one message goes.
#[derive(Debug)]
pub struct Route<'a> {
    pub sender: &'a Sender,
    /// Those of mail servers.
    pub circuits: &'a Circuits,
    /// The server's, in them.
    pub server: Uuid,
}

/// A message that is ready to be sent.
#[derive(Debug)]
pub struct Written {
    pub(super) this: Delivery,
    pub(super) mail: Outgoing,
}

/// An attempt to send a message.
#[derive(Debug)]
pub(super) struct Delivery {
    /// Of the event that asked for the message.
    pub(super) id: Uuid,
    pub(super) tenant: TenantId,
    pub(super) kind: String,
    pub(super) attempt: Uuid,
    /// Whether a person asked for it again.
    pub(super) asked_again: bool,
    /// Whether no other follows.
    pub(super) is_last: bool,
}

/// What came of the writing of a message.
#[derive(Debug)]
pub enum Writing {
    /// It is to be sent.
    Message(Box<Written>),
    /// There is nothing to send.
    Ended(JobEnd),
}

/// What came of the sending of a message.
#[derive(Debug)]
pub enum Sent {
    Ended {
        end: JobEnd,
        /// The file that it is in, in place of being sent.
        file: Option<PathBuf>,
    },
    /// The server said that there is no such mailbox. Nothing is recorded yet.
    NoMailbox { why: String },
}

/// How a message stands. One whose job was not begun yet has no row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::Encode, sqlx::Decode)]
#[sqlx(rename_all = "snake_case")]
pub(super) enum MessageState {
    Deferred,
    Sending,
    Sent,
    Unknown,
    Failed,
    Cancelled,
}
stored_as_text!(MessageState);

/// What is known of a message.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Known {
    pub(super) state: MessageState,
    pub(super) attempt: Uuid,
    pub(super) detail: Option<String>,
    /// Whether it waits for longer than a message may.
    pub(super) is_overdue: bool,
}

/// What is to be done with a message whose job runs.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Next {
    Send,
    /// It was sent.
    Done,
    /// Nobody wrote what came of this attempt.
    Lost {
        attempt: Uuid,
    },
    /// It may have arrived, and no person has asked for it again.
    Unknown {
        why: String,
    },
    /// It has waited for too long.
    Expired,
}

/// What is to be done; `asked_again`: by a person, since it was tried last.
pub(super) fn next(known: Option<Known>, asked_again: bool) -> Next {
    let Some(known) = known else { return Next::Send };
    match known.state {
        MessageState::Deferred if known.is_overdue && !asked_again => Next::Expired,
        MessageState::Deferred | MessageState::Failed => Next::Send,
        MessageState::Sent | MessageState::Cancelled => Next::Done,
        MessageState::Sending => Next::Lost { attempt: known.attempt },
        MessageState::Unknown if asked_again => Next::Send,
        MessageState::Unknown => Next::Unknown { why: known.detail.unwrap_or_default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_arrived_is_sent_again_only_for_a_person() {
        let id = Uuid::now_v7();
        let after = |state, asked_again| {
            let detail = Some("said".to_owned());
            next(Some(Known { state, attempt: id, detail, is_overdue: false }), asked_again)
        };
        for asked_again in [false, true] {
            assert_eq!(next(None, asked_again), Next::Send);
            assert_eq!(after(MessageState::Deferred, asked_again), Next::Send);
            assert_eq!(after(MessageState::Failed, asked_again), Next::Send);
            assert_eq!(after(MessageState::Sent, asked_again), Next::Done);
            assert_eq!(after(MessageState::Cancelled, asked_again), Next::Done);
            assert_eq!(after(MessageState::Sending, asked_again), Next::Lost { attempt: id });
        }
        assert_eq!(after(MessageState::Unknown, false), Next::Unknown { why: "said".to_owned() });
        assert_eq!(after(MessageState::Unknown, true), Next::Send);
    }
    #[test]
    fn what_waits_for_too_long_ends_unless_a_person_asks() {
        let known = |is_overdue| Known {
            state: MessageState::Deferred,
            attempt: Uuid::now_v7(),
            detail: None,
            is_overdue,
        };
        assert_eq!(next(Some(known(true)), false), Next::Expired);
        assert_eq!(next(Some(known(true)), true), Next::Send);
        assert_eq!(next(Some(known(false)), false), Next::Send);
    }
}
