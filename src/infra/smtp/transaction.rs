//! One message on a connection: sender, recipient, text, and what the server says to it.

use std::time::{Duration, Instant};

use super::connection::{Connection, step};
use super::message::Outgoing;
use super::outcome::{Outcome, Stop, Why};
use super::reply::Reply;
use super::steps::{Step, StepDetail, Trace};
use crate::kernel::Email;
use crate::kernel::mail_address::ascii_domain;

/// How much of a message is handed to the system at a time.
const PART: usize = 64 * 1024;
/// The slowest line that counts as one: below that a message takes more than its time.
const BYTES_A_SECOND: u64 = 16 * 1024;
/// How long to look for the answer of a server that closes while a message is under way.
const EARLY_ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The server waits for the message (RFC 5321, section 4.1.1.4).
const GO_ON: u16 = 354;

/// What became of a message, and whether its connection can be used again.
pub(super) struct Handed {
    pub(super) outcome: Outcome,
    pub(super) reusable: bool,
}

impl Connection {
    /// Hands a message over. `record` is done after the server has taken sender and recipient and before any of the
    /// message goes: where it fails nothing is sent.
    pub(super) async fn hand_over<E>(
        &mut self,
        mail: &Outgoing,
        record: impl AsyncFnOnce() -> Result<(), E>,
        trace: &mut Trace,
    ) -> Result<Handed, E> {
        self.messages += 1;
        if let Err(stop) = self.envelope(mail, trace).await {
            return Ok(self.not_taken(stop).await);
        }
        let since = Instant::now();
        if let Err(error) = record().await {
            self.reset().await;
            return Err(error);
        }
        trace.add(Step::Record, since, || StepDetail::Nothing);
        if let Err(stop) = self.go_on(trace).await {
            return Ok(self.not_taken(stop).await);
        }
        let since = Instant::now();
        let sent = self.message(&mail.content).await;
        trace.add(Step::Message, since, || match &sent {
            Err(Why::Reply(reply)) => StepDetail::Reply(reply.clone()),
            _ => StepDetail::Nothing,
        });
        if let Err(why) = sent {
            // No dot was sent: the server has no message, and nobody can say where it stands.
            let outcome = Outcome::of(Stop::new(Step::Message, why));
            return Ok(Handed { outcome, reusable: false });
        }
        Ok(self.end(trace).await)
    }

    async fn envelope(&mut self, mail: &Outgoing, trace: &mut Trace) -> Result<(), Stop> {
        let limit = self.deadlines.reply;
        let (from, to) = (wire_address(&mail.from), wire_address(&mail.to));
        let not_ascii = !from.is_ascii() || !to.is_ascii();
        if not_ascii && !self.can("SMTPUTF8") {
            let at = if from.is_ascii() { Step::Rcpt } else { Step::Mail };
            return Err(Stop::new(at, Why::NotAscii));
        }
        let mut sender = format!("MAIL FROM:<{from}>");
        if self.can("SIZE") {
            sender = format!("{sender} SIZE={}", mail.content.len());
        }
        if self.can("8BITMIME") && !mail.content.is_ascii() {
            sender.push_str(" BODY=8BITMIME");
        }
        if not_ascii {
            sender.push_str(" SMTPUTF8");
        }
        step(Step::Mail, trace, self.dialogue.command(&sender, limit)).await?;
        step(Step::Rcpt, trace, self.dialogue.command(&format!("RCPT TO:<{to}>"), limit)).await?;
        Ok(())
    }

    async fn go_on(&mut self, trace: &mut Trace) -> Result<(), Stop> {
        let reply = step(Step::Data, trace, self.dialogue.command("DATA", self.deadlines.reply)).await?;
        if reply.code == GO_ON { Ok(()) } else { Err(Stop::new(Step::Data, Why::Reply(reply))) }
    }

    /// All of a message but the last dot.
    async fn message(&mut self, content: &[u8]) -> Result<(), Why> {
        let content = stuffed(content);
        let slowest = Duration::from_secs(content.len() as u64 / BYTES_A_SECOND);
        let end = Instant::now() + self.deadlines.data + slowest;
        for part in content.chunks(PART) {
            let left = end.saturating_duration_since(Instant::now());
            let limit = self.deadlines.data.min(left);
            if let Err(why) = self.dialogue.write(part, limit).await {
                // A server that has enough of a message may say why before it closes.
                return match self.dialogue.answer(EARLY_ANSWER_TIMEOUT).await {
                    Ok(reply) if !reply.is_good() => Err(Why::Reply(reply)),
                    _ => Err(why),
                };
            }
        }
        Ok(())
    }

    /// From the first byte of the last dot on the server may have the message.
    async fn end(&mut self, trace: &mut Trace) -> Handed {
        let (since, limit) = (Instant::now(), self.deadlines.data);
        let answer = self.dialogue.command(".", limit).await;
        trace.add(Step::Accepted, since, || match &answer {
            Ok(reply) => StepDetail::Reply(reply.clone()),
            Err(_) => StepDetail::Nothing,
        });
        match answer {
            Ok(reply) if reply.code / 100 == 2 => Handed { outcome: Outcome::Sent(reply), reusable: true },
            Ok(reply) if reply.is_good() => {
                let stop = Stop::new(Step::Accepted, Why::Reply(reply));
                Handed { outcome: Outcome::Unknown(stop), reusable: false }
            }
            Ok(reply) => {
                let reusable = is_open_after(&reply);
                Handed { outcome: Outcome::of(Stop::new(Step::Accepted, Why::Reply(reply))), reusable }
            }
            Err(why) => Handed { outcome: Outcome::Unknown(Stop::new(Step::Accepted, why)), reusable: false },
        }
    }

    async fn not_taken(&mut self, stop: Stop) -> Handed {
        let answered = matches!(&stop.why, Why::Reply(reply) if is_open_after(reply));
        let reusable = (answered || matches!(stop.why, Why::NotAscii)) && self.reset().await;
        Handed { outcome: Outcome::of(stop), reusable }
    }
}

/// Whether the server goes on with the connection (421: it does not; RFC 5321, section 3.8).
fn is_open_after(reply: &Reply) -> bool {
    reply.code != 421 && reply.code != GO_ON
}

/// An address as the server is told it: the domain in the form that every server reads.
#[must_use]
pub fn wire_address(address: &Email) -> String {
    let text = address.as_str();
    let Some((local, domain)) = text.rsplit_once('@') else { return text.to_owned() };
    format!("{local}@{}", ascii_domain(domain))
}

/// A message as it stands between DATA and the last dot: every line ended by CR LF, none of them a lone dot
/// (RFC 5321, sections 2.3.8 and 4.5.2). A lone CR or LF becomes CR LF: servers differ about what ends a message
/// there, and one message could become two.
fn stuffed(content: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(content.len() + content.len() / 64 + 2);
    let mut at_start = true;
    let mut bytes = content.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {
                if byte == b'\r' {
                    bytes.next_if_eq(&b'\n');
                }
                out.extend_from_slice(b"\r\n");
                at_start = true;
            }
            _ => {
                if at_start && byte == b'.' {
                    out.push(b'.');
                }
                out.push(byte);
                at_start = false;
            }
        }
    }
    if !at_start {
        out.extend_from_slice(b"\r\n");
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_is_stuffed_as_servers_read_it() {
        for (given, sent) in [
            ("", ""),
            ("a", "a\r\n"),
            ("a\r\n", "a\r\n"),
            ("a\n.\nb", "a\r\n..\r\nb\r\n"),
            (".a\r.b\r\n", "..a\r\n..b\r\n"),
            ("\r\n.\r\n", "\r\n..\r\n"),
        ] {
            assert_eq!(String::from_utf8(stuffed(given.as_bytes())).unwrap(), sent, "{given:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_in_a_message_ends_it(content in "[ab.\\r\\n]{0,60}") {
            let sent = String::from_utf8(stuffed(content.as_bytes())).unwrap();
            prop_assert!(sent.is_empty() || sent.ends_with("\r\n"));
            let lines: Vec<&str> = sent.split("\r\n").collect();
            prop_assert!(lines.iter().all(|line| *line != "." && !line.contains(['\r', '\n'])), "{:?}", sent);
            // What the server makes of it is what was given, with one kind of ends.
            let read: Vec<&str> = lines.iter().map(|line| line.strip_prefix('.').unwrap_or(line)).collect();
            let given = content.replace("\r\n", "\n").replace('\r', "\n");
            let read = read.join("\n");
            prop_assert_eq!(read.trim_end_matches('\n'), given.trim_end_matches('\n'));
        }
    }

    #[test]
    fn a_domain_goes_over_the_wire_in_ascii() {
        assert_eq!(wire_address(&"jo@bücher.example".parse().unwrap()), "jo@xn--bcher-kva.example");
        assert!(!wire_address(&"jö@b.example".parse().unwrap()).is_ascii());
    }
}
