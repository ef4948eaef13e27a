//! Records that say which servers send for a domain (RFC 7208): read, with what they include, and asked of an address.
//!
//! What depends on the message or on the name of the asking server (macros, `exists`, `ptr`) is not evaluated, and
//! said to be so.

use std::net::IpAddr;

use futures_util::future::BoxFuture;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::infra::dns::{Dns, DnsError};

/// Most questions that a receiver asks for one record (RFC 7208, section 4.6.4).
pub(super) const MOST_LOOKUPS: usize = 10;
/// Where counting ends: whoever publishes records could have it go on without end.
const MOST_COUNTED: usize = 40;

/// A record, with those that it includes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record {
    terms: Vec<Term>,
    /// What counts in its place where no term does.
    redirect: Option<Box<Included>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Term {
    qualifier: Qualifier,
    mechanism: Mechanism,
}

/// What is to be done with mail that a term is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Mechanism {
    All,
    /// Addresses: of `ip4`, `ip6`, or what the names of `a` and `mx` have.
    Networks(Vec<IpNet>),
    Include(Included),
    /// What is not evaluated, as it is written.
    Open(String),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Included {
    domain: String,
    record: Record,
}

/// What a record says of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    Pass,
    /// None of its terms lets the address send.
    Not(Qualifier),
    /// It depends on these, which are not evaluated.
    Open(Vec<String>),
}

/// A record that receivers cannot use.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum SpfError {
    #[error(transparent)]
    Dns(#[from] DnsError),
    #[error("{domain} has no SPF record")]
    None { domain: String },
    #[error("{domain} has {count} SPF records: receivers use none of them")]
    Several { domain: String, count: usize },
    #[error("{domain}: {term:?} is no term of SPF: receivers cannot use the record")]
    Term { domain: String, term: String },
    #[error(
        "it takes more than {MOST_LOOKUPS} lookups to read: receivers stop there, and cannot use the record"
    )]
    Lookups,
}

impl Qualifier {
    /// As it is written.
    pub(super) fn sign(self) -> char {
        match self {
            Self::Pass => '+',
            Self::Fail => '-',
            Self::SoftFail => '~',
            Self::Neutral => '?',
        }
    }
}

/// Whether a text is a record of SPF (RFC 7208, section 4.5).
fn is_record(text: &str) -> bool {
    let (version, _) = text.split_once(' ').unwrap_or((text, ""));
    version.eq_ignore_ascii_case("v=spf1")
}

/// The text of a domain's record.
///
/// # Errors
/// Where it has none, or several.
pub(super) async fn text(dns: &Dns, domain: &str) -> Result<String, SpfError> {
    let mut found: Vec<String> =
        dns.texts(domain).await?.into_iter().filter(|text| is_record(text)).collect();
    match (found.len(), found.pop()) {
        (1, Some(text)) => Ok(text),
        (0, _) | (_, None) => Err(SpfError::None { domain: domain.to_owned() }),
        (count, _) => Err(SpfError::Several { domain: domain.to_owned(), count }),
    }
}

/// Reads a record and what it includes; how many lookups that takes.
///
/// # Errors
/// Where receivers cannot use it, or the DNS does not answer.
pub(super) async fn read(dns: &Dns, domain: &str, text: &str) -> Result<(Record, usize), SpfError> {
    let mut lookups = 0;
    let record = record(dns, domain, text, &mut lookups).await?;
    Ok((record, lookups))
}

async fn record(dns: &Dns, domain: &str, text: &str, lookups: &mut usize) -> Result<Record, SpfError> {
    let mut read = Record::default();
    for word in text.split_ascii_whitespace().skip(1) {
        if let Some(name) = modifier(word, "redirect") {
            count(lookups)?;
            read.redirect = Some(Box::new(included(dns, name, lookups).await?));
            continue;
        }
        if is_modifier(word) {
            continue;
        }
        let wrong = || SpfError::Term { domain: domain.to_owned(), term: word.chars().take(100).collect() };
        let (qualifier, rest) = qualifier(word);
        let parsed = Written::parse(rest).ok_or_else(wrong)?;
        let mechanism = match parsed {
            Written::All => Mechanism::All,
            Written::Network(net) => Mechanism::Networks(vec![net]),
            Written::Include(name) => {
                count(lookups)?;
                Mechanism::Include(included(dns, &name, lookups).await?)
            }
            Written::Addresses { name, is_mx, lengths } => {
                count(lookups)?;
                let name = name.unwrap_or_else(|| domain.to_owned());
                Mechanism::Networks(networks(dns, &name, is_mx, lengths).await?)
            }
            Written::Open { asks } => {
                if asks {
                    count(lookups)?;
                }
                Mechanism::Open(word.chars().take(100).collect())
            }
        };
        read.terms.push(Term { qualifier, mechanism });
    }
    Ok(read)
}

/// Boxed: it may include others.
fn included<'a>(
    dns: &'a Dns,
    name: &'a str,
    lookups: &'a mut usize,
) -> BoxFuture<'a, Result<Included, SpfError>> {
    Box::pin(async move {
        let domain = name.to_owned();
        if name.contains('%') {
            let mechanism = Mechanism::Open(format!("include:{name}"));
            let terms = vec![Term { qualifier: Qualifier::Pass, mechanism }];
            return Ok(Included { domain, record: Record { terms, redirect: None } });
        }
        let text = text(dns, name).await?;
        Ok(Included { domain, record: record(dns, name, &text, lookups).await? })
    })
}

fn count(lookups: &mut usize) -> Result<(), SpfError> {
    *lookups += 1;
    if *lookups > MOST_COUNTED { Err(SpfError::Lookups) } else { Ok(()) }
}

/// The addresses of a name, or of the servers that take its mail: at most ten (RFC 7208, section 4.6.4).
async fn networks(dns: &Dns, name: &str, is_mx: bool, (four, six): (u8, u8)) -> Result<Vec<IpNet>, SpfError> {
    let names = if is_mx { dns.mail_servers(name).await? } else { vec![name.to_owned()] };
    let mut found = Vec::new();
    for name in names.iter().filter(|name| !name.is_empty()).take(MOST_LOOKUPS) {
        found.extend(dns.addresses(name).await?);
    }
    let net = |ip: IpAddr| match ip {
        IpAddr::V4(ip) => Ipv4Net::new(ip, four).ok().map(IpNet::V4),
        IpAddr::V6(ip) => Ipv6Net::new(ip, six).ok().map(IpNet::V6),
    };
    Ok(found.into_iter().filter_map(net).collect())
}

/// The value of a modifier of this name (RFC 7208, section 6).
fn modifier<'a>(word: &'a str, name: &str) -> Option<&'a str> {
    let (of, value) = word.split_once('=')?;
    (of.eq_ignore_ascii_case(name) && !value.is_empty()).then_some(value)
}

/// Those of other names mean nothing here; they begin with a letter, and have no `:` or `/` before their `=`.
fn is_modifier(word: &str) -> bool {
    let is_name = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    word.split_once('=').is_some_and(|(name, _)| {
        name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(is_name)
    })
}

fn qualifier(word: &str) -> (Qualifier, &str) {
    let signs = [Qualifier::Pass, Qualifier::Fail, Qualifier::SoftFail, Qualifier::Neutral];
    let found = signs.into_iter().find_map(|it| Some((it, word.strip_prefix(it.sign())?)));
    found.unwrap_or((Qualifier::Pass, word))
}

/// A mechanism as it is written (RFC 7208, section 5).
#[derive(Debug, PartialEq, Eq)]
enum Written {
    All,
    Network(IpNet),
    Include(String),
    Addresses {
        name: Option<String>,
        is_mx: bool,
        lengths: (u8, u8),
    },
    /// It is not evaluated; whether receivers ask something for it.
    Open {
        asks: bool,
    },
}

impl Written {
    fn parse(word: &str) -> Option<Self> {
        let end = word.find([':', '/']).unwrap_or(word.len());
        let (name, rest) = word.split_at(end);
        let value = rest.strip_prefix(':').filter(|value| !value.is_empty());
        match name.to_ascii_lowercase().as_str() {
            "all" if rest.is_empty() => Some(Self::All),
            "ip4" => network(value?).filter(|net| matches!(net, IpNet::V4(_))).map(Self::Network),
            "ip6" => network(value?).filter(|net| matches!(net, IpNet::V6(_))).map(Self::Network),
            "include" => Some(Self::Include(value?.to_owned())),
            "exists" if value.is_some() => Some(Self::Open { asks: true }),
            "ptr" => Some(Self::Open { asks: true }),
            "a" | "mx" if rest.contains('%') => Some(Self::Open { asks: true }),
            name @ ("a" | "mx") => {
                let (of, lengths) = lengths(rest)?;
                let of = of.strip_prefix(':');
                if of == Some("") {
                    return None;
                }
                Some(Self::Addresses { name: of.map(str::to_owned), is_mx: name == "mx", lengths })
            }
            _ => None,
        }
    }
}

fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| Some(IpNet::from(text.parse::<IpAddr>().ok()?)))
}

/// What stands before the lengths of prefixes, and these: `/24`, `//64`, `/24//64`.
fn lengths(text: &str) -> Option<(&str, (u8, u8))> {
    let Some((before, after)) = text.split_once('/') else { return Some((text, (32, 128))) };
    let (four, six) = match after.split_once('/') {
        None => (after.parse().ok()?, 128),
        Some((four, six)) => {
            let four = four.strip_suffix('/').unwrap_or(four);
            let four = if four.is_empty() { 32 } else { four.parse().ok()? };
            (four, six.trim_start_matches('/').parse().ok()?)
        }
    };
    (four <= 32 && six <= 128).then_some((before, (four, six)))
}

impl Record {
    /// What becomes of mail that no other term is about; none: it says nothing of it.
    pub(super) fn rest(&self) -> Option<Qualifier> {
        let all = self.terms.iter().find(|term| term.mechanism == Mechanism::All);
        match (all, &self.redirect) {
            (Some(all), _) => Some(all.qualifier),
            (None, Some(redirect)) => redirect.record.rest(),
            (None, None) => None,
        }
    }

    /// What it says of an address.
    pub(super) fn asked(&self, ip: IpAddr) -> Said {
        let mut open = Vec::new();
        for term in &self.terms {
            let is_about = match &term.mechanism {
                Mechanism::All => true,
                Mechanism::Networks(nets) => nets.iter().any(|net| net.contains(&ip)),
                Mechanism::Include(it) => match it.record.asked(ip) {
                    Said::Pass => true,
                    Said::Not(_) => false,
                    Said::Open(more) => {
                        open.extend(more);
                        false
                    }
                },
                Mechanism::Open(word) => {
                    open.push(word.clone());
                    false
                }
            };
            if is_about {
                return match term.qualifier {
                    Qualifier::Pass => Said::Pass,
                    _ if !open.is_empty() => Said::Open(open),
                    other => Said::Not(other),
                };
            }
        }
        let rest = match &self.redirect {
            Some(redirect) => redirect.record.asked(ip),
            None => Said::Not(Qualifier::Neutral),
        };
        match rest {
            Said::Not(_) if !open.is_empty() => Said::Open(open),
            rest => rest,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nets(all: &[&str]) -> Mechanism {
        Mechanism::Networks(all.iter().map(|net| net.parse().unwrap()).collect())
    }

    fn of(terms: Vec<(Qualifier, Mechanism)>) -> Record {
        let terms = terms.into_iter().map(|(qualifier, mechanism)| Term { qualifier, mechanism }).collect();
        Record { terms, redirect: None }
    }

    fn include(record: Record) -> Mechanism {
        Mechanism::Include(Included { domain: "spf.provider.example".to_owned(), record })
    }

    use Qualifier::{Fail, Neutral, Pass, SoftFail};

    #[test]
    fn the_first_term_that_is_about_an_address_counts() {
        let inner = of(vec![
            (Fail, nets(&["192.0.2.7/32"])),
            (Pass, nets(&["192.0.2.0/24"])),
            (SoftFail, Mechanism::All),
        ]);
        let record =
            of(vec![(Pass, nets(&["2001:db8::/32"])), (Pass, include(inner)), (Fail, Mechanism::All)]);
        let asked = |ip: &str| record.asked(ip.parse().unwrap());
        assert_eq!(asked("192.0.2.1"), Said::Pass);
        assert_eq!(asked("2001:db8::1"), Said::Pass);
        // What is included lets in, and refuses nobody (RFC 7208, section 5.2).
        assert_eq!(asked("192.0.2.7"), Said::Not(Fail));
        assert_eq!(asked("198.51.100.1"), Said::Not(Fail));
        assert_eq!(record.rest(), Some(Fail));
        assert_eq!(of(Vec::new()).asked("192.0.2.1".parse().unwrap()), Said::Not(Neutral));
    }

    #[test]
    fn what_is_not_evaluated_is_said_where_it_could_have_let_the_address_in() {
        let open = || Mechanism::Open("exists:%{i}.spf.example".to_owned());
        let record = of(vec![(Pass, open()), (Pass, nets(&["192.0.2.0/24"])), (Fail, Mechanism::All)]);
        assert_eq!(record.asked("192.0.2.1".parse().unwrap()), Said::Pass);
        let unsure = Said::Open(vec!["exists:%{i}.spf.example".to_owned()]);
        assert_eq!(record.asked("198.51.100.1".parse().unwrap()), unsure);
    }

    #[test]
    fn another_record_counts_in_the_place_of_one_that_says_so() {
        let inner = of(vec![(Pass, nets(&["192.0.2.0/24"])), (SoftFail, Mechanism::All)]);
        let redirect = Some(Box::new(Included { domain: "b.example".to_owned(), record: inner }));
        let record = Record { terms: Vec::new(), redirect };
        assert_eq!(record.asked("192.0.2.1".parse().unwrap()), Said::Pass);
        assert_eq!(record.rest(), Some(SoftFail));
    }

    #[test]
    fn terms_are_read_as_they_may_be_written() {
        let addresses = |name: Option<&str>, is_mx, lengths| {
            Some(Written::Addresses { name: name.map(str::to_owned), is_mx, lengths })
        };
        for (word, read) in [
            ("ALL", Some(Written::All)),
            ("ip4:192.0.2.1", network("192.0.2.1/32").map(Written::Network)),
            ("ip6:2001:db8::/32", network("2001:db8::/32").map(Written::Network)),
            ("ip4:2001:db8::/32", None),
            ("ip4", None),
            ("ip4:", None),
            ("a", addresses(None, false, (32, 128))),
            ("mx/24", addresses(None, true, (24, 128))),
            ("a:b.example//64", addresses(Some("b.example"), false, (32, 64))),
            ("a:b.example/24//64", addresses(Some("b.example"), false, (24, 64))),
            ("a:", None),
            ("a/33", None),
            ("a:%{d}", Some(Written::Open { asks: true })),
            ("exists:x.example", Some(Written::Open { asks: true })),
            ("exists", None),
            ("all:x", None),
            ("ip5:1", None),
        ] {
            assert_eq!(Written::parse(word), read, "{word}");
        }
        assert!(is_modifier("exp=x.example") && is_modifier("x-y=z") && !is_modifier("ip4:a=b"));
        assert!(is_record("v=spf1") && is_record("V=SPF1 -all") && !is_record("v=spf10 -all"));
    }
}
