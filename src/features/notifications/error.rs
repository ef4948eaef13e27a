//! What can go wrong with notifications.

use uuid::Uuid;

use crate::features::access::AccessError;
use crate::features::audit::AuditError;
use crate::features::iam::IamError;
use crate::features::secrets::SecretsError;
use crate::features::templates::TemplateError;
use crate::infra::db::DbError;
use crate::infra::smtp::MessageError;
use crate::kernel::Failure;
use crate::kernel::hint::InRealm;

/// A notification or a test of mail that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum NotificationsError {
    /// The caller may not.
    #[error(transparent)]
    #[failure(transparent)]
    Access(#[from] AccessError),
    /// No mail server is set.
    #[error("no mail server is set for the context {context}")]
    #[failure(Invalid, "mail_not_configured")]
    #[hint("set smtp_host and from under [context.{context}.mail] in nexus.toml")]
    #[hint("or as {}_SMTP_HOST and {0}_FROM", crate::settings::key::variable(&format!("context.{context}.mail")))]
    #[hint("every key and what it takes: docs/configuration.md")]
    NotConfigured { context: String },
    /// The mailbox of the local stack is not running, e.g. because an older Nexus started the stack.
    #[error("the mailbox of the local stack is not running")]
    #[failure(Unavailable, "mailbox_not_running")]
    #[hint(LocalAction::Restart)]
    NoMailbox,
    /// A message cannot be written: an address or a header is none that mail can have.
    #[error("the message cannot be written: {0}")]
    #[failure(Invalid, "mail_message_invalid")]
    Message(#[from] MessageError),
    /// The mail server could not be reached, or did not accept the connection.
    #[error("{server} cannot be used: {reason}")]
    #[failure(Unavailable, "mail_server_unreachable")]
    #[hints(hints.iter().cloned())]
    #[details(server, reason)]
    Unreachable { server: String, reason: String, hints: Vec<String> },
    /// The connection to the mail server could not be encrypted, or its certificate is not trusted.
    #[error("no encrypted connection to {server}: {reason}")]
    #[failure(Unavailable, "mail_tls_failed")]
    #[hints(hints.iter().cloned())]
    #[details(server, reason)]
    Tls { server: String, reason: String, hints: Vec<String> },
    /// The mail server does not take the login.
    #[error("{server} does not take the login: {reason}")]
    #[failure(Unavailable, "mail_login_refused")]
    #[hints(hints.iter().cloned())]
    #[details(server, reason)]
    Login { server: String, reason: String, hints: Vec<String> },
    /// The mail server refused a message for good.
    #[error("{server} refused the message: {reason}")]
    #[failure(Unavailable, "mail_refused")]
    #[hints(hints.iter().cloned())]
    #[details(server, reason)]
    Refused { server: String, reason: String, hints: Vec<String> },
    /// The mail server did not take a message now.
    #[error("{server} did not take the message now: {reason}")]
    #[failure(Unavailable, "mail_deferred")]
    #[hints(hints.iter().cloned())]
    #[details(server, reason)]
    Deferred { server: String, reason: String, hints: Vec<String> },
    /// The mail server's answer to a message was lost: it may have taken it.
    #[error("{server} may have taken the message, but its answer was lost: {reason}")]
    #[failure(Unavailable, "mail_unknown")]
    #[hints(hints.iter().cloned())]
    #[details(server, reason)]
    Unknown { server: String, reason: String, hints: Vec<String> },
    /// The realm has no notification of that id.
    #[error("no notification {id} in this realm")]
    #[failure(NotFound, "notification_not_found")]
    #[hint("see which there are" => NotifyAction::List(at.clone()))]
    #[details(id)]
    NotFound { id: Uuid, at: InRealm },
    /// Nothing stops mail to an address.
    #[error("no suppression of {of} in this realm")]
    #[failure(NotFound, "suppression_not_found")]
    #[hint("see which there are" => NotifyAction::ListSuppressions(at.clone()))]
    #[details(of)]
    NoSuppression { of: String, at: InRealm },
    /// A mail server cannot be used as it is given.
    #[error("the mail server cannot be used: {reason}")]
    #[failure(Invalid, "mail_provider_invalid")]
    #[details(reason)]
    Provider { reason: String },
    /// The tenant has no mail server of its own.
    #[error("the tenant has no mail server of its own: its mail goes by the platform's")]
    #[failure(NotFound, "mail_provider_not_found")]
    #[hint("set one" => NotifyAction::SetProvider(at.clone()))]
    NoProvider { at: InRealm },
    /// The platform's mail server is in the settings.
    #[error("only tenants have mail servers of their own")]
    #[failure(Invalid, "mail_provider_of_platform")]
    #[hint("that of the platform is set under [context.NAME.mail] in nexus.toml")]
    PlatformProvider,
    /// The tenant's secrets.
    #[error(transparent)]
    #[failure(transparent)]
    Secrets(#[from] SecretsError),
    /// The audit log.
    #[error(transparent)]
    #[failure(transparent)]
    Audit(#[from] AuditError),
    /// What is asked for cannot be done as it is written.
    #[error("{reason}")]
    #[failure(Invalid, "notification_invalid")]
    #[details(reason)]
    Invalid { reason: String },
    /// Nexus sends notifications of this kind by itself.
    #[error("apps cannot send notifications of kind {kind}")]
    #[failure(Invalid, "notification_kind_reserved")]
    #[hint("the kinds of apps begin with app., e.g. app.order.shipped")]
    #[details(kind)]
    NotAnApps { kind: String },
    /// A recipient is no user.
    #[error("no user {user} in this realm")]
    #[failure(Invalid, "recipient_unknown")]
    #[details(user)]
    NoUser { user: String },
    /// Nobody would be reached.
    #[error("there is nobody to send it to: the groups have no members")]
    #[failure(Invalid, "no_recipients")]
    Nobody,
    /// More would be reached than one request may reach.
    #[error("more than {most} recipients")]
    #[failure(Invalid, "too_many_recipients")]
    #[hint("send it to a part of them at a time")]
    #[details(most)]
    TooMany { most: usize },
    /// As much was sent to people who are no users of the realm as may be.
    #[error("at most {most} messages within {within} go to {to}")]
    #[failure(Conflict, "message_limit")]
    #[hint("send it later, or to users of the realm")]
    #[details(most, to)]
    Limit { most: i32, within: &'static str, to: String },
    /// Only users have an inbox.
    #[error("{address} is no user of this realm, and has no inbox")]
    #[failure(Invalid, "no_inbox")]
    #[hint("send it by email")]
    NoInbox { address: String },
    /// The caller is no user of the realm.
    #[error("only a user of the realm has an inbox")]
    #[failure(Forbidden, "not_a_user")]
    NotAUser,
    /// Its state is one in which that cannot be done.
    #[error("notification {id} is {state}: {why}")]
    #[failure(Conflict, "notification_state")]
    #[details(id, state)]
    State { id: Uuid, state: &'static str, why: &'static str },
    /// A template.
    #[error(transparent)]
    #[failure(transparent)]
    Template(#[from] TemplateError),
    /// The realm.
    #[error(transparent)]
    #[failure(transparent)]
    Iam(#[from] IamError),
    /// A statement failed.
    #[error(transparent)]
    #[failure(transparent)]
    Db(#[from] DbError),
}
