//! What is known of a message after it was handed over, or was not.

use std::fmt;
use std::time::Duration;

use super::reply::{Enhanced, Reply};
use super::steps::Step;

/// What is known of a message.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The server has taken it: it is the server's from now on.
    Sent(Reply),
    /// The server will never take it (5xx), or it cannot be written down for this server.
    Refused(Stop),
    /// It was not taken now: the server said so (4xx), or it was not reached, or did not let us in.
    Deferred(Stop),
    /// The last dot was on its way when the connection broke or the server fell silent: it may have been taken.
    /// To send it again could send it twice.
    Unknown(Stop),
}

/// Where it ended, and why.
#[derive(Debug, Clone)]
pub struct Stop {
    pub step: Step,
    pub why: Why,
}

/// Why a step failed.
#[derive(Debug, Clone)]
pub enum Why {
    /// The server said so.
    Reply(Reply),
    /// No answer within the time that the step has.
    NoAnswer(Duration),
    /// The server closed the connection.
    Closed,
    /// The system's word on the connection or the name.
    Io(String),
    /// The name has no address.
    NoAddress,
    /// Whoever named the server may not have it connected to.
    NotAllowed(&'static str),
    /// What came is no answer of SMTP; the first of it.
    NotSmtp(String),
    /// What came is TLS, and plain text was expected.
    SpeaksTls,
    /// What came is plain text, and TLS was expected.
    SpeaksPlain,
    /// The certificates that are trusted cannot be read.
    NoTrust(String),
    /// The server's certificate is not one that is trusted.
    Certificate(BadCertificate),
    /// The handshake failed for another reason.
    Tls(String),
    /// The server does not offer STARTTLS.
    NoStarttls,
    /// The server offers none of the ways to log in that are known; those that it offers.
    NoMechanism(Vec<String>),
    /// The address has letters that this server does not take (RFC 6531).
    NotAscii,
    /// The connection had more in it than the answer before TLS began (RFC 3207, section 5).
    Injected,
}

/// What is wrong with a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadCertificate {
    /// It is for other names.
    Name,
    /// Nobody who is trusted issued it.
    Issuer,
    /// It is over.
    Expired,
    /// It is not good yet.
    NotYet,
    /// Another fault, in words.
    Other(String),
}

impl Outcome {
    /// Of a step that failed before the last dot was sent. Up to where the sender is named, which is the same for all
    /// messages, a server's 5xx is about the account and says nothing of the message, unless that is too large (552):
    /// it will be good for another try once the settings, the account or the server are.
    pub(super) fn of(stop: Stop) -> Self {
        let refused = match &stop.why {
            Why::Reply(reply) if stop.step == Step::Mail => reply.code == TOO_LARGE,
            Why::Reply(reply) => stop.step > Step::Mail && reply.code >= 500 && !is_about_login(reply),
            Why::NotAscii => true,
            _ => false,
        };
        if refused { Self::Refused(stop) } else { Self::Deferred(stop) }
    }

    /// The server's answer, where there was one.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match self {
            Self::Sent(reply) => Some(reply),
            Self::Refused(stop) | Self::Deferred(stop) | Self::Unknown(stop) => stop.reply(),
        }
    }

    /// The code of the server's answer.
    #[must_use]
    pub fn code(&self) -> Option<u16> {
        self.reply().map(|reply| reply.code)
    }

    /// Its enhanced code.
    #[must_use]
    pub fn enhanced(&self) -> Option<Enhanced> {
        self.reply()?.enhanced
    }

    /// Whether the server said for good that the address has no mailbox (RFC 3463, section 3.2; RFC 7505, section 5.2).
    /// What it says of its rules, of a full mailbox, or without an enhanced code is not that.
    #[must_use]
    pub fn is_no_mailbox(&self) -> bool {
        let Self::Refused(Stop { step: Step::Rcpt, .. }) = self else { return false };
        matches!(self.enhanced(), Some(Enhanced(5, 1, 1 | 10)))
    }

    /// In words, for a record: no secret, one line, bounded.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::Sent(reply) => reply.to_string(),
            Self::Refused(stop) | Self::Deferred(stop) | Self::Unknown(stop) => stop.to_string(),
        }
    }

    /// Where it ended, of what was not sent.
    #[must_use]
    pub fn stop(&self) -> Option<&Stop> {
        match self {
            Self::Sent(_) => None,
            Self::Refused(stop) | Self::Deferred(stop) | Self::Unknown(stop) => Some(stop),
        }
    }
}

/// The message is larger than the server takes (RFC 1870, section 6.1).
const TOO_LARGE: u16 = 552;

/// That the server wants a login, or another one (RFC 4954, sections 4 and 6), at whichever command.
fn is_about_login(reply: &Reply) -> bool {
    matches!(reply.code, 530 | 534 | 535 | 538)
}

impl Stop {
    pub(super) fn new(step: Step, why: Why) -> Self {
        Self { step, why }
    }

    /// The server's answer, where there was one.
    #[must_use]
    pub fn reply(&self) -> Option<&Reply> {
        match &self.why {
            Why::Reply(reply) => Some(reply),
            _ => None,
        }
    }

    /// Whether every message would end so: the server, the login or the settings are at fault, and not what was
    /// to be sent.
    #[must_use]
    pub fn is_of_server(&self) -> bool {
        self.step < Step::Mail || self.reply().is_some_and(|reply| reply.code == 421 || is_about_login(reply))
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.step, self.why)
    }
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Reply(reply) => write!(f, "{reply}"),
            Self::NoAnswer(limit) if limit.as_secs() == 0 => {
                write!(f, "no answer within {} ms", limit.as_millis())
            }
            Self::NoAnswer(limit) => write!(f, "no answer within {} s", limit.as_secs()),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::Io(words) | Self::Tls(words) => f.write_str(words),
            Self::NoAddress => f.write_str("the name has no address"),
            Self::NotAllowed(words) => f.write_str(words),
            Self::NotSmtp(begin) => write!(f, "the answer is not SMTP: {begin:?}"),
            Self::SpeaksTls => f.write_str("the port speaks TLS at once"),
            Self::SpeaksPlain => f.write_str("the port does not speak TLS at once"),
            Self::NoTrust(words) => write!(f, "the certificates to trust cannot be read: {words}"),
            Self::Certificate(bad) => write!(f, "the server's certificate is not trusted: {bad}"),
            Self::NoStarttls => f.write_str("the server does not offer STARTTLS"),
            Self::NoMechanism(offered) if offered.is_empty() => {
                f.write_str("the server offers no login on this connection")
            }
            Self::NoMechanism(offered) => {
                write!(f, "the server offers only {}; PLAIN and LOGIN are known", offered.join(", "))
            }
            Self::NotAscii => {
                f.write_str("the server does not take addresses with letters outside ASCII (SMTPUTF8)")
            }
            Self::Injected => f.write_str("the server sent more than its answer before TLS began"),
        }
    }
}

impl fmt::Display for BadCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => f.write_str("it is for another name"),
            Self::Issuer => f.write_str("nobody who is trusted issued it"),
            Self::Expired => f.write_str("it has expired"),
            Self::NotYet => f.write_str("it is not valid yet"),
            Self::Other(words) => f.write_str(words),
        }
    }
}
