//! The mailbox: it takes mail while the stack runs, at the same port, and keeps what it took.

use std::net::SocketAddr;
use std::time::SystemTime;

use nexus::features::local::Running;
use nexus::infra::smtp::{Deadlines, NewMessage, Outcome, SmtpClient, SmtpServer};
use nexus::settings::SmtpTls;
use nix::sys::signal::Signal;

use super::support::{TestHome, lives, send as send_signal, until};

async fn send(address: SocketAddr, subject: &str) -> Outcome {
    let (host, port) = (address.ip().to_string(), address.port());
    let server = SmtpServer { host, port, tls: SmtpTls::None, login: None, ca_file: None };
    let (from, to) = ("a@acme.example".parse().unwrap(), "b@acme.example".parse().unwrap());
    let message = NewMessage {
        id: "1",
        at: SystemTime::UNIX_EPOCH,
        from: &from,
        reply_to: None,
        to: &to,
        subject,
        text: "Hello\n",
        html: None,
        headers: &[],
    };
    SmtpClient::new(server, Deadlines::SENDING, 1).send(&message.build().unwrap()).await
}

fn address(running: &Running) -> SocketAddr {
    running.mail.expect("the mailbox runs")
}

#[tokio::test]
async fn mail_outlives_a_killed_daemon_and_the_mailbox_comes_back_at_its_port() {
    let home = TestHome::new();
    let first = home.up().await;
    assert!(matches!(send(address(&first), "before the kill").await, Outcome::Sent(_)));
    let daemon = home.pids().await.0;
    send_signal(daemon, Signal::SIGKILL);
    until("the daemon is gone", || async { !lives(daemon) }).await;
    let second = home.up().await;
    assert_eq!(address(&second), address(&first));
    assert!(matches!(send(address(&second), "after it").await, Outcome::Sent(_)));
    let subjects: Vec<String> = home.stack.mails(10).unwrap().into_iter().map(|mail| mail.subject).collect();
    assert_eq!(subjects, ["after it", "before the kill"]);
    assert!(home.stack.down().await.unwrap());
    assert!(matches!(send(address(&second), "to nobody").await, Outcome::Deferred(_)), "down stops it");
    assert_eq!(home.stack.mails(10).unwrap().len(), 2, "and keeps what it took");
}
