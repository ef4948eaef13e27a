//! Hands mail to a server over SMTP (RFC 5321), one recipient a message, and says exactly what is known of it
//! afterwards.
//!
//! Every step has a deadline of its own. Nothing is sent twice: a message is tried once, and where the server's
//! answer to it was lost its outcome is [`Outcome::Unknown`]. Messages are built by lettre; the dialogue is our
//! own, because lettre's connection bounds only the connect (lettre#1027), waits without a bound for the answer to
//! QUIT after an error, keeps what was read before TLS began (RFC 3207, section 5), and hides the greeting and
//! which step failed.
//!
//! Start reading at [`SmtpClient::send`] and [`Outcome`].

mod auth;
mod client;
mod connection;
mod dialogue;
mod guard;
mod message;
mod outcome;
mod reply;
mod steps;
mod tls;
mod transaction;

use std::path::PathBuf;
use std::time::Duration;

use crate::kernel::SecretString;
use crate::settings::SmtpTls;

pub use client::SmtpClient;
pub use dialogue::CONNECTION_REFUSED;
pub use guard::require_allowed;
pub use message::{MessageError, NewMessage, Outgoing};
pub use outcome::{BadCertificate, Outcome, Stop, Why};
pub use reply::{Enhanced, Reply};
pub use steps::{Certificate, Step, StepDetail, StepTaken, TlsSeen};
pub use tls::speaks_tls;
pub use transaction::wire_address;

/// A server that takes mail, and how it is reached.
#[derive(Debug, Clone)]
pub struct SmtpServer {
    /// Its name, which its certificate must hold, or its address.
    pub host: String,
    pub port: u16,
    pub tls: SmtpTls,
    pub login: Option<Login>,
    /// The certificates that the server's is checked against, in PEM form; `None`: the system's.
    pub ca_file: Option<PathBuf>,
}

/// As whom mail is handed over.
#[derive(Debug, Clone)]
pub struct Login {
    pub user: String,
    pub password: SecretString,
}

/// How long each step may take. lettre's time-out covers the connect alone (lettre#1027).
#[derive(Debug, Clone, Copy)]
pub struct Deadlines {
    /// For the addresses of a name.
    pub lookup: Duration,
    /// For a connection, over all addresses.
    pub connect: Duration,
    /// For the handshake of TLS.
    pub tls: Duration,
    /// For the server's first word. Some make clients wait on purpose, against senders of spam.
    pub greeting: Duration,
    /// For the answer to a command.
    pub reply: Duration,
    /// For the answer that says whether an idle connection is still good.
    pub idle: Duration,
    /// For a part of a message to be taken, and for the answer to the whole.
    pub data: Duration,
}

impl Deadlines {
    /// Those of sending.
    pub const SENDING: Self = Self {
        lookup: LOOKUP_TIMEOUT,
        connect: CONNECT_TIMEOUT,
        tls: TLS_TIMEOUT,
        greeting: GREETING_TIMEOUT,
        reply: REPLY_TIMEOUT,
        idle: IDLE_TIMEOUT,
        data: DATA_TIMEOUT,
    };

    /// Those of a test that a person waits for.
    pub const TEST: Self = Self {
        lookup: Duration::from_secs(5),
        connect: CONNECT_TIMEOUT,
        tls: CONNECT_TIMEOUT,
        greeting: Duration::from_secs(10),
        reply: Duration::from_secs(20),
        idle: IDLE_TIMEOUT,
        data: Duration::from_secs(30),
    };
}

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const TLS_TIMEOUT: Duration = Duration::from_secs(30);
const GREETING_TIMEOUT: Duration = Duration::from_secs(30);
const REPLY_TIMEOUT: Duration = Duration::from_mins(1);
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const DATA_TIMEOUT: Duration = Duration::from_mins(2);
