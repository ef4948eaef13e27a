//! A connection that is ready for a message: looked up, connected, encrypted, greeted, logged in.

use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::auth;
use super::dialogue::{Dialogue, Wire, words};
use super::guard::require_allowed;
use super::outcome::{Stop, Why};
use super::reply::{Redactor, Reply};
use super::steps::{Step, StepDetail, Trace};
use super::tls::Trust;
use super::{Deadlines, SmtpServer};
use crate::infra::outbound::Policy;
use crate::settings::SmtpTls;
use crate::settings::mail::bare_host;

/// Most addresses of a name that are tried.
const MOST_ADDRESSES: usize = 6;

/// A connection that is ready for a message.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) dialogue: Dialogue,
    pub(super) deadlines: Deadlines,
    /// What the server says that it can, each with its parameters (RFC 5321, section 4.1.1.1).
    extensions: Vec<String>,
    /// How many messages it was used for.
    pub(super) messages: u32,
}

/// What it takes to open one.
pub(super) struct Opening<'a> {
    pub(super) server: &'a SmtpServer,
    pub(super) deadlines: Deadlines,
    /// Which addresses may be connected to; none: any.
    pub(super) policy: Option<&'a Policy>,
    /// Whom to trust; `None` where nothing is encrypted.
    pub(super) trust: Option<&'a Trust>,
}

impl Opening<'_> {
    pub(super) async fn open(&self, trace: &mut Trace) -> Result<Connection, Stop> {
        let (server, deadlines) = (self.server, self.deadlines);
        let stream = self.connect(trace).await?;
        // The address as the server sees it, where nothing is between: we may have no name (RFC 5321, section 4.1.3).
        let own = stream.local_addr().map_or("[127.0.0.1]".to_owned(), |address| match address.ip() {
            IpAddr::V4(ip) => format!("[{ip}]"),
            IpAddr::V6(ip) => format!("[IPv6:{ip}]"),
        });
        let redactor = Redactor::new(server.login.as_ref());
        let mut stream: Box<dyn Wire> = Box::new(stream);
        if server.tls == SmtpTls::Implicit {
            stream = self.encrypt(stream, trace).await?;
        }
        let mut dialogue = Dialogue::new(stream, redactor.clone());
        let greeting = dialogue.answer(deadlines.greeting);
        step(Step::Greeting, trace, greeting).await?;
        let mut extensions = hello(&mut dialogue, &own, deadlines.reply, trace).await?;
        if server.tls == SmtpTls::StartTls {
            if !extensions.iter().any(|line| line.eq_ignore_ascii_case("STARTTLS")) {
                let refused = async { Err(Why::NoStarttls) };
                step(Step::Starttls, trace, refused).await?;
            }
            step(Step::Starttls, trace, dialogue.command("STARTTLS", deadlines.reply)).await?;
            let plain = dialogue.into_stream().map_err(|why| Stop::new(Step::Starttls, why))?;
            dialogue = Dialogue::new(self.encrypt(plain, trace).await?, redactor);
            // What was said before TLS counts no more (RFC 3207, section 4.2).
            extensions = hello(&mut dialogue, &own, deadlines.reply, trace).await?;
        }
        if let Some(login) = &server.login {
            let offered = mechanisms(&extensions);
            let logged_in = auth::log_in(&mut dialogue, login, &offered, deadlines.reply);
            step(Step::Auth, trace, logged_in).await?;
        }
        Ok(Connection { dialogue, deadlines, extensions, messages: 0 })
    }

    async fn connect(&self, trace: &mut Trace) -> Result<TcpStream, Stop> {
        let since = Instant::now();
        let found = self.addresses().await.and_then(|addresses| self.allowed(addresses));
        trace.add(Step::Lookup, since, || match &found {
            Ok(addresses) => StepDetail::Addresses(addresses.iter().map(SocketAddr::ip).collect()),
            Err(_) => StepDetail::Nothing,
        });
        let addresses = found.map_err(|why| Stop::new(Step::Lookup, why))?;
        let since = Instant::now();
        let connected = connect(&addresses, self.deadlines.connect).await;
        trace.add(Step::Connect, since, || match connected.as_ref().map(TcpStream::peer_addr) {
            Ok(Ok(address)) => StepDetail::Address(address),
            _ => StepDetail::Nothing,
        });
        let stream = connected.map_err(|why| Stop::new(Step::Connect, why))?;
        // Commands are short, and each is waited for.
        let _ = stream.set_nodelay(true);
        Ok(stream)
    }

    /// The addresses, each of which may be connected to.
    fn allowed(&self, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Why> {
        if let Some(policy) = self.policy {
            let all: Vec<IpAddr> = addresses.iter().map(SocketAddr::ip).collect();
            require_allowed(policy, (self.server.port, self.server.tls), &all)?;
        }
        Ok(addresses)
    }

    async fn addresses(&self) -> Result<Vec<SocketAddr>, Why> {
        let bare = bare_host(&self.server.host);
        if let Ok(ip) = bare.parse::<IpAddr>() {
            return Ok(vec![SocketAddr::new(ip, self.server.port)]);
        }
        let looked_up =
            timeout(self.deadlines.lookup, tokio::net::lookup_host((bare, self.server.port))).await;
        let found = looked_up.map_err(|_| Why::NoAnswer(self.deadlines.lookup))?;
        let addresses: Vec<_> = found.map_err(|error| not_found(&error))?.take(MOST_ADDRESSES).collect();
        if addresses.is_empty() { Err(Why::NoAddress) } else { Ok(addresses) }
    }

    async fn encrypt(&self, stream: Box<dyn Wire>, trace: &mut Trace) -> Result<Box<dyn Wire>, Stop> {
        let since = Instant::now();
        let limit = self.deadlines.tls;
        let Some(trust) = self.trust else {
            return Err(Stop::new(Step::Tls, Why::NoTrust("none were read".to_owned())));
        };
        let begun = timeout(limit, trust.begin(&self.server.host, stream)).await;
        let (stream, seen) = begun.unwrap_or_else(|_| (Err(Why::NoAnswer(limit)), super::TlsSeen::default()));
        trace.add(Step::Tls, since, || StepDetail::Tls(Box::new(seen)));
        stream.map_err(|why| Stop::new(Step::Tls, why))
    }
}

/// One after the other, so that one that drops what it is sent does not use up the time of all.
async fn connect(addresses: &[SocketAddr], limit: Duration) -> Result<TcpStream, Why> {
    let end = Instant::now() + limit;
    let mut failed = Why::NoAddress;
    for (tried, address) in addresses.iter().enumerate() {
        let left = end.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(addresses.len() - tried).unwrap_or(1);
        failed = match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => Why::Io(words(&error)),
            Err(_) => Why::NoAnswer(share),
        };
    }
    Err(failed)
}

/// What getaddrinfo(3) of glibc and of musl says of a name without an address. It has other words for a resolver that
/// does not answer, and the standard library gives nothing but the words.
const NO_ADDRESS: [&str; 4] = [
    "name or service not known",
    "no address associated with hostname",
    "name does not resolve",
    "name has no usable address",
];

/// Why a name was not found.
fn not_found(error: &std::io::Error) -> Why {
    let text = words(error);
    let text = text.strip_prefix("failed to lookup address information: ").unwrap_or(&text);
    if NO_ADDRESS.contains(&text) { Why::NoAddress } else { Why::Io(text.to_owned()) }
}

/// Takes a step whose answer must be good.
pub(super) async fn step(
    step: Step,
    trace: &mut Trace,
    answer: impl Future<Output = Result<Reply, Why>>,
) -> Result<Reply, Stop> {
    let since = Instant::now();
    let answer = match answer.await {
        Ok(reply) if !reply.is_good() => Err(Why::Reply(reply)),
        answer => answer,
    };
    trace.add(step, since, || match &answer {
        Ok(reply) | Err(Why::Reply(reply)) => StepDetail::Reply(reply.clone()),
        Err(_) => StepDetail::Nothing,
    });
    answer.map_err(|why| Stop::new(step, why))
}

/// Greets; what the server says that it can. One that knows no EHLO can nothing (RFC 5321, section 3.2).
async fn hello(
    dialogue: &mut Dialogue,
    own: &str,
    limit: Duration,
    trace: &mut Trace,
) -> Result<Vec<String>, Stop> {
    let ehlo = async {
        match dialogue.command(&format!("EHLO {own}"), limit).await {
            Ok(reply) if matches!(reply.code, 500 | 502) => {
                dialogue.command(&format!("HELO {own}"), limit).await
            }
            answer => answer,
        }
    };
    let reply = step(Step::Ehlo, trace, ehlo).await?;
    Ok(reply.words.into_iter().skip(1).collect())
}

/// The ways to log in; some servers write the older `AUTH=`.
fn mechanisms(extensions: &[String]) -> Vec<String> {
    let of_line = |line: &String| {
        let (word, rest) = line.split_at_checked(5)?;
        let is_auth = word.eq_ignore_ascii_case("AUTH ") || word.eq_ignore_ascii_case("AUTH=");
        is_auth.then(|| rest.split_whitespace().map(str::to_ascii_uppercase).collect::<Vec<_>>())
    };
    let mut all: Vec<String> = extensions.iter().filter_map(of_line).flatten().collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Connection {
    /// Whether the server says that it can something.
    pub(super) fn can(&self, extension: &str) -> bool {
        let word =
            |line: &String| line.split(' ').next().is_some_and(|word| word.eq_ignore_ascii_case(extension));
        self.extensions.iter().any(word)
    }

    /// Whether it is still good, after nothing was said on it for a while.
    pub(super) async fn is_alive(&mut self) -> bool {
        let limit = self.deadlines.idle;
        matches!(self.dialogue.command("NOOP", limit).await, Ok(reply) if reply.is_good())
    }

    /// Forgets a message that was begun; whether it can be used for another.
    pub(super) async fn reset(&mut self) -> bool {
        let limit = self.deadlines.idle;
        matches!(self.dialogue.command("RSET", limit).await, Ok(reply) if reply.is_good())
    }

    /// Says that it ends, and waits for no answer.
    pub(super) async fn quit(mut self) {
        let _ = self.dialogue.write(b"QUIT\r\n", Duration::from_secs(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ways_to_log_in_are_read_in_both_forms() {
        let lines = ["PIPELINING", "AUTH PLAIN login", "AUTH=PLAIN", "AUTHX y", "é"].map(str::to_owned);
        assert_eq!(mechanisms(&lines), ["LOGIN", "PLAIN"]);
    }
}
