//! What a test shows, and notifications: the same names in JSON for ever.

use std::net::IpAddr;

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::NotificationPriority;
use crate::features::templates::{Channel, Kind};
use crate::infra::smtp::{Certificate, Outcome, Reply, StepDetail, StepTaken, Stop};
use crate::settings::SmtpTls;

/// A test of mail.
#[derive(Debug, Clone, Serialize)]
pub struct MailTestView {
    /// `host:port`.
    pub server: String,
    pub tls: SmtpTls,
    pub from: String,
    pub to: String,
    /// `sent`, `failed`, `deferred` or `unknown`.
    pub state: &'static str,
    /// Milliseconds of all steps together.
    pub ms: u64,
    /// In their order; the last one failed where the state is not `sent`.
    pub steps: Vec<StepView>,
    /// Where and why it ended; none where the message was sent.
    pub failed: Option<String>,
}

/// A step of a test.
#[derive(Debug, Clone, Serialize)]
pub struct StepView {
    /// As people call it: a command of SMTP, or what happens before there are any.
    pub step: &'static str,
    pub ms: u64,
    /// Whether the test ended here.
    pub failed: bool,
    /// The addresses of the server's name, or the one that was connected to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<IpAddr>,
    /// The version of TLS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls_version: Option<String>,
    /// The server's own first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub certificates: Vec<CertificateView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reply: Option<ReplyView>,
}

/// What a server answered.
#[derive(Debug, Clone, Serialize)]
pub struct ReplyView {
    pub code: u16,
    /// E.g. `5.7.1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enhanced: Option<String>,
    /// One text a line.
    pub words: Vec<String>,
}

/// What a certificate says.
#[derive(Debug, Clone, Serialize)]
pub struct CertificateView {
    pub subject: String,
    pub names: Vec<String>,
    pub issuer: String,
    #[serde(with = "time::serde::rfc3339")]
    pub not_before: OffsetDateTime,
    #[serde(with = "time::serde::rfc3339")]
    pub not_after: OffsetDateTime,
}

/// How a notification stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationState {
    /// It waits for its moment or its turn.
    #[default]
    Queued,
    /// It is tried again, or waits for the end of quiet hours.
    Deferred,
    /// It is on its way.
    Sending,
    /// The mail server accepted it, or it is in the inbox.
    Sent,
    /// It may have arrived: it is sent again only if a person asks.
    Unknown,
    /// It is not sent any more, but if a person asks.
    Failed,
    /// Somebody cancelled it, or its recipient does not want it.
    Cancelled,
}

impl NotificationState {
    /// All of them, for help and completion.
    pub const ALL: [Self; 7] = [
        Self::Queued,
        Self::Deferred,
        Self::Sending,
        Self::Sent,
        Self::Unknown,
        Self::Failed,
        Self::Cancelled,
    ];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Deferred => "deferred",
            Self::Sending => "sending",
            Self::Sent => "sent",
            Self::Unknown => "unknown",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// A notification to one recipient in one channel.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
#[schema(as = Notification)]
pub struct NotificationView {
    pub id: Uuid,
    /// What was asked for together has the same.
    pub request_id: Uuid,
    #[schema(example = "app.order.shipped")]
    pub kind: String,
    pub channel: Channel,
    /// Who it is for; `null` where that is nobody of the realm.
    pub user_id: Option<Uuid>,
    /// The address, where there is no user.
    #[schema(example = "bob@customer.example")]
    pub address: Option<String>,
    #[sqlx(skip)]
    pub state: NotificationState,
    /// What the mail server said, or why not; `null` where there is nothing to say.
    #[sqlx(skip)]
    pub reason: Option<String>,
    /// How often sending was begun.
    #[sqlx(skip)]
    pub attempts: i32,
    pub priority: NotificationPriority,
    /// Where it has no template.
    pub subject: Option<String>,
    /// It is not sent before.
    #[serde(with = "time::serde::rfc3339::option")]
    pub not_before: Option<OffsetDateTime>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When what is known of it last changed; `null` while it is queued.
    #[sqlx(skip)]
    #[serde(with = "time::serde::rfc3339::option")]
    pub updated_at: Option<OffsetDateTime>,
    #[sqlx(rename = "is_cancelled")]
    #[serde(skip)]
    pub(in crate::features) is_cancelled: bool,
}

/// Which notifications a list holds.
#[derive(Debug, Clone, Default)]
pub struct NotificationFilter {
    pub state: Option<NotificationState>,
    pub kind: Option<Kind>,
    pub user: Option<Uuid>,
    /// Only those that come after this one in the list.
    pub before: Option<Uuid>,
}

/// The word for what is known of a message.
pub(super) fn state(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Sent(_) => "sent",
        Outcome::Refused(_) => "failed",
        Outcome::Deferred(_) => "deferred",
        Outcome::Unknown(_) => "unknown",
    }
}

impl StepView {
    pub(super) fn of(taken: &StepTaken, stop: Option<&Stop>, is_last: bool) -> Self {
        let mut view = Self {
            step: taken.step.name(),
            failed: is_last && stop.is_some_and(|stop| stop.step == taken.step),
            ms: u64::try_from(taken.took.as_millis()).unwrap_or(u64::MAX),
            addresses: Vec::new(),
            tls_version: None,
            certificates: Vec::new(),
            reply: None,
        };
        match &taken.seen {
            StepDetail::Nothing => {}
            StepDetail::Addresses(all) => view.addresses.clone_from(all),
            StepDetail::Address(address) => view.addresses = vec![address.ip()],
            StepDetail::Tls(seen) => {
                view.tls_version = seen.version.as_ref().map(|version| version.replace("v1_", " 1."));
                view.certificates = seen.chain.iter().map(CertificateView::of).collect();
            }
            StepDetail::Reply(reply) => view.reply = Some(ReplyView::of(reply)),
        }
        view
    }
}

impl ReplyView {
    fn of(reply: &Reply) -> Self {
        let enhanced = reply.enhanced.map(|enhanced| enhanced.to_string());
        Self { code: reply.code, enhanced, words: reply.words.clone() }
    }
}

impl CertificateView {
    fn of(certificate: &Certificate) -> Self {
        let Certificate { subject, names, issuer, not_before, not_after } = certificate.clone();
        Self { subject, names, issuer, not_before, not_after }
    }
}
