//! What can go wrong with sending.

use crate::features::access::AccessError;
use crate::infra::smtp::MessageError;
use crate::kernel::Failure;

/// What can go wrong with sending.
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
}
