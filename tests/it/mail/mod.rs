//! Mail: handed to real servers, which do well and not, and to the mailbox of the local stack.

mod arrival;
mod command;
pub mod dns;
mod mailbox;
mod scripted;
mod sending;
pub mod stock;
mod tls;

use std::time::{Duration, SystemTime};

use nexus::infra::smtp::{Deadlines, Login, NewMessage, Outcome, Outgoing, SmtpClient, SmtpServer};
use nexus::kernel::SecretString;
use nexus::settings::SmtpTls;

/// Deadlines that a test can wait for.
const SHORT: Deadlines = Deadlines {
    lookup: Duration::from_secs(5),
    connect: Duration::from_secs(5),
    tls: Duration::from_millis(700),
    greeting: Duration::from_millis(700),
    reply: Duration::from_millis(700),
    idle: Duration::from_millis(700),
    data: Duration::from_millis(700),
};

/// Deadlines that are not what a test is about.
const LONG: Deadlines = Deadlines::SENDING;

/// A server on this machine.
fn server(port: u16, tls: SmtpTls) -> SmtpServer {
    SmtpServer { host: "127.0.0.1".to_owned(), port, tls, login: None, ca_file: None }
}

fn with_login(server: SmtpServer, user: &str, password: &str) -> SmtpServer {
    let login = Login { user: user.to_owned(), password: SecretString::from(password) };
    SmtpServer { login: Some(login), ..server }
}

fn client(server: SmtpServer, deadlines: Deadlines) -> SmtpClient {
    SmtpClient::new(server, deadlines, 2)
}

/// A message to somebody.
fn mail(to: &str) -> Outgoing {
    message(to, "Hello,\n.\n..and a link: https://x.example/#token=abc\n")
}

fn message(to: &str, text: &str) -> Outgoing {
    let (from, to) = ("Acme <no-reply@acme.example>".parse().unwrap(), to.parse().unwrap());
    let (id, at) = ("test-1", SystemTime::UNIX_EPOCH);
    let message = NewMessage {
        id,
        at,
        from: &from,
        reply_to: None,
        to: &to,
        subject: "Hi",
        text,
        html: None,
        headers: &[],
    };
    message.build().unwrap()
}

/// What is known of a message, in one word, and the words of the server or of the client.
fn said(outcome: &Outcome) -> (&'static str, String) {
    let word = match outcome {
        Outcome::Sent(_) => "sent",
        Outcome::Refused(_) => "refused",
        Outcome::Deferred(_) => "deferred",
        Outcome::Unknown(_) => "unknown",
    };
    (word, outcome.words())
}
