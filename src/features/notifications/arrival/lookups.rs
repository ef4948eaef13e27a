//! The records of a domain, each with what it means to those who receive mail, and what to add.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use x509_parser::prelude::FromDer;
use x509_parser::x509::SubjectPublicKeyInfo;

use super::spf::{self, MOST_LOOKUPS, Qualifier, Record, SpfError};
use super::tags::{Dmarc, Policy, is_dmarc, tags};
use super::{found, shortened};
use crate::infra::dns::{Dns, DnsError};
use crate::kernel::{ErrorKind, Finding, Severity};

/// Receivers take no signature of a shorter key (RFC 8301, section 3.2).
const LEAST_BITS: usize = 1024;
/// What signers should have (the same).
const GOOD_BITS: usize = 2048;
/// Most domains above one that are asked for a policy.
const MOST_PARENTS: usize = 5;

const FAULT: Severity = Severity::Error(ErrorKind::Invalid);

fn unchecked(code: &'static str, domain: &str, error: &DnsError) -> Finding {
    let finding = found((code, Severity::Unchecked), domain, format!("could not be looked up: {error}"));
    with(finding, "repeat it, or ask another DNS server")
}

fn with(mut finding: Finding, fix: impl Into<String>) -> Finding {
    finding.fix.push(fix.into().into());
    finding
}

/// Who takes mail for the domain: where answers and bounces go.
pub(super) async fn mail_servers(dns: &Dns, domain: &str) -> Finding {
    const CODE: &str = "mail.mx";
    let found_servers = match dns.mail_servers(domain).await {
        Ok(all) => all,
        Err(error) => return unchecked(CODE, domain, &error),
    };
    if found_servers.iter().any(String::is_empty) {
        let detail = "its MX record says that it takes no mail (RFC 7505): receivers may refuse mail from it";
        return with(
            found((CODE, FAULT), domain, detail),
            "name a server in the MX record, or send from another domain",
        );
    }
    if found_servers.is_empty() {
        let detail =
            "it has no MX record: answers and bounces get lost, and some receivers take no mail from it";
        let fix = format!("add the record {domain} MX 10 HOST, where HOST takes mail for {domain}");
        return with(found((CODE, Severity::Warning), domain, detail), fix);
    }
    let detail = format!("answers and bounces go to {}", shortened(&found_servers.join(", ")));
    found((CODE, Severity::Ok), domain, detail)
}

/// Who sends for the domain; the record, where receivers can use it.
pub(super) async fn spf(dns: &Dns, domain: &str) -> (Finding, Option<Record>) {
    const CODE: &str = "mail.spf";
    let read = async {
        let text = spf::text(dns, domain).await?;
        let (record, lookups) = spf::read(dns, domain, &text).await?;
        Ok::<_, SpfError>((text, record, lookups))
    };
    let (text, record, lookups) = match read.await {
        Ok(read) => read,
        Err(SpfError::Dns(error)) => return (unchecked(CODE, domain, &error), None),
        Err(error) => return (unusable(domain, &error), None),
    };
    if lookups > MOST_LOOKUPS {
        let detail = format!(
            "it takes {lookups} lookups to read: receivers stop at {MOST_LOOKUPS}, and use none of it"
        );
        return (
            with(found((CODE, FAULT), domain, detail), "remove what is not used any more from the record"),
            None,
        );
    }
    let said = shortened(&text);
    let finding = match record.rest() {
        Some(Qualifier::Fail) => {
            let detail = format!(
                "{said}: receivers may refuse mail from other servers ({lookups} of {MOST_LOOKUPS} lookups)"
            );
            found((CODE, Severity::Ok), domain, detail)
        }
        Some(Qualifier::SoftFail) => {
            let detail = format!(
                "{said}: receivers suspect mail from other servers ({lookups} of {MOST_LOOKUPS} lookups)"
            );
            found((CODE, Severity::Ok), domain, detail)
        }
        Some(Qualifier::Pass) => {
            let detail =
                format!("{said}: it lets everybody send for the domain, and receivers trust it in nothing");
            with(found((CODE, FAULT), domain, detail), "end it with -all or ~all in place of +all")
        }
        Some(Qualifier::Neutral) | None => {
            let detail =
                format!("{said}: it says nothing of other servers, which may send in the domain's name");
            with(found((CODE, Severity::Warning), domain, detail), "end it with ~all, and later with -all")
        }
    };
    (finding, Some(record))
}

fn unusable(domain: &str, error: &SpfError) -> Finding {
    let finding = found(("mail.spf", FAULT), domain, error.to_string());
    match error {
        SpfError::None { domain: missing } if missing == domain => {
            let fix = "with what the provider of the mail server says to include";
            with(finding, format!("add the record {domain} TXT \"v=spf1 include:PROVIDER -all\", {fix}"))
        }
        SpfError::None { domain: included } => with(
            finding,
            format!("remove {included} from the record, or ask its owner: receivers use none of it"),
        ),
        SpfError::Several { .. } => {
            with(finding, "put all that is allowed into one record, and remove the others")
        }
        _ => with(finding, "write it as RFC 7208 has it, e.g. v=spf1 include:PROVIDER -all"),
    }
}

/// A key of DKIM.
pub(super) async fn key(dns: &Dns, domain: &str, selector: &str) -> Finding {
    const CODE: &str = "mail.dkim";
    let name = format!("{selector}._domainkey.{domain}");
    let texts = match dns.texts(&name).await {
        Ok(texts) => texts,
        Err(error) => return unchecked(CODE, &name, &error),
    };
    match &texts[..] {
        [] => {
            let detail = "it has no record: signatures by this selector count for nothing";
            let fix =
                format!("add the record {name} TXT with the key that the provider gives (v=DKIM1; p=…)");
            with(found((CODE, FAULT), &name, detail), fix)
        }
        [text] => of_key(&name, text),
        several => {
            let detail = format!("it has {} records: which one counts is not defined", several.len());
            with(found((CODE, FAULT), &name, detail), "leave the one that the provider gives")
        }
    }
}

fn of_key(name: &str, text: &str) -> Finding {
    const CODE: &str = "mail.dkim";
    let fault = |detail: String, fix: &'static str| with(found((CODE, FAULT), name, detail), fix);
    let give = "write it as the provider gives it";
    let Some(tags) = tags(text) else {
        return fault(format!("{}: that is no key of DKIM", shortened(text)), give);
    };
    // A record without a version is one of version 1 (RFC 6376, section 3.6.1).
    if tags.get("v").is_some_and(|version| version != "DKIM1") {
        return fault(format!("{}: that is no key of DKIM", shortened(text)), give);
    }
    let Some(key) = tags.get("p") else { return fault("it has no key (p=)".to_owned(), give) };
    if key.is_empty() {
        return fault(
            "its key was revoked (p= is empty)".to_owned(),
            "have the mail server sign by another selector",
        );
    }
    let kind = tags.get("k").map_or("rsa", String::as_str);
    let key: String = key.split_ascii_whitespace().collect();
    let Ok(key) = STANDARD.decode(key) else { return fault("its key is no base64".to_owned(), give) };
    let (severity, words, fix) = match kind {
        "rsa" => match bits(&key) {
            None => return fault("its key is no public key of RSA".to_owned(), give),
            Some(bits) if bits < LEAST_BITS => {
                return fault(
                    format!("its key has {bits} bits: receivers ignore it"),
                    "have the provider make a longer one",
                );
            }
            Some(bits) if bits < GOOD_BITS => (
                Severity::Warning,
                format!("a key of RSA with {bits} bits"),
                Some("have the provider make one of 2048 bits"),
            ),
            Some(bits) => (Severity::Ok, format!("a key of RSA with {bits} bits"), None),
        },
        "ed25519" if key.len() == 32 => {
            // RFC 8463.
            (
                Severity::Notice,
                "a key of Ed25519: not all receivers know these".to_owned(),
                Some("sign by one of RSA, too"),
            )
        }
        other => return fault(format!("receivers know no keys of {}", shortened(other)), give),
    };
    let is_test = tags.get("t").is_some_and(|flags| flags.split(':').any(|flag| flag.trim() == "y"));
    let severity = if is_test { Severity::Warning } else { severity };
    let test = if is_test { ", in test mode (t=y): receivers may ignore it" } else { "" };
    let finding = found((CODE, severity), name, format!("{words}{test}"));
    let finding = if is_test { with(finding, "remove t=y once signatures are right") } else { finding };
    fix.map_or_else(|| finding.clone(), |fix| with(finding.clone(), fix))
}

fn bits(key: &[u8]) -> Option<usize> {
    let (_, info) = SubjectPublicKeyInfo::from_der(key).ok()?;
    match info.parsed().ok()? {
        x509_parser::public_key::PublicKey::RSA(key) => {
            Some(key.modulus.iter().skip_while(|byte| **byte == 0).count() * 8)
        }
        _ => None,
    }
}

/// What receivers do with mail that neither SPF nor DKIM covers. The policy of a domain above counts, too: which one
/// that is says a list of public suffixes in RFC 7489, section 6.6.3, in whose place each is asked here.
pub(super) async fn dmarc(dns: &Dns, domain: &str) -> Finding {
    const CODE: &str = "mail.dmarc";
    for (above, at) in domains(domain).into_iter().enumerate() {
        let texts = match dns.texts(&format!("_dmarc.{at}")).await {
            Ok(texts) => texts,
            Err(error) => return unchecked(CODE, domain, &error),
        };
        let records: Vec<String> = texts.into_iter().filter(|text| is_dmarc(text)).collect();
        match &records[..] {
            [] => {}
            [text] => return of_policy(domain, (at, above > 0), text),
            several => {
                let detail = format!("_dmarc.{at} has {} records: receivers use none of them", several.len());
                return with(found((CODE, FAULT), domain, detail), "leave one");
            }
        }
    }
    let detail = "it has no DMARC record: large receivers refuse mail to many without one, and anybody can write in its name";
    let fix = format!(
        "add the record _dmarc.{domain} TXT \"v=DMARC1; p=none; rua=mailto:ADDRESS\", where ADDRESS takes reports"
    );
    with(found((CODE, Severity::Warning), domain, detail), fix)
}

/// A domain, and those above it that are no top level.
fn domains(domain: &str) -> Vec<&str> {
    let mut all = vec![domain];
    while let Some((_, above)) = all.last().and_then(|last| last.split_once('.')) {
        if !above.contains('.') || all.len() > MOST_PARENTS {
            break;
        }
        all.push(above);
    }
    all
}

fn of_policy(domain: &str, (at, is_above): (&str, bool), text: &str) -> Finding {
    const CODE: &str = "mail.dmarc";
    let said = shortened(text);
    let Some(policy) = Dmarc::parse(text, is_above) else {
        let detail = format!("_dmarc.{at} is {said}: receivers cannot use it");
        return with(
            found((CODE, FAULT), domain, detail),
            "write it as RFC 7489 has it, e.g. v=DMARC1; p=none",
        );
    };
    let meaning = match policy.policy {
        Policy::None => "receivers only report mail that neither SPF nor DKIM covers",
        Policy::Quarantine => "receivers put mail that neither SPF nor DKIM covers into the folder for spam",
        Policy::Reject => "receivers refuse mail that neither SPF nor DKIM covers",
    };
    let strict = match policy.is_strict {
        (false, false) => "",
        (true, false) => "; DKIM counts only for the very domain",
        (false, true) => "; SPF counts only for the very domain",
        (true, true) => "; both count only for the very domain",
    };
    let share =
        if policy.percent == 100 { String::new() } else { format!("; that is done for {}%", policy.percent) };
    let from = if is_above { format!(" (the policy of {at})") } else { String::new() };
    let word = policy.policy.as_str();
    let detail = format!("p={word}{from}: {meaning}{strict}{share}");
    let severity = if policy.policy == Policy::None { Severity::Notice } else { Severity::Ok };
    let finding = found((CODE, severity), domain, detail);
    let finding = match policy.policy {
        Policy::None => with(finding, "once reports are clean, set p=quarantine, and later p=reject"),
        _ => finding,
    };
    if policy.has_reports {
        finding
    } else {
        with(finding, "add rua=mailto:ADDRESS, where ADDRESS takes reports")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn domains_above_are_asked_but_no_top_level() {
        assert_eq!(
            domains("mail.shop.acme.example"),
            ["mail.shop.acme.example", "shop.acme.example", "acme.example"]
        );
        assert_eq!(domains("acme.example"), ["acme.example"]);
        assert_eq!(domains("localhost"), ["localhost"]);
        assert_eq!(domains("a.b.c.d.e.f.g.h.example").len(), 6);
    }

    #[test]
    fn keys_that_receivers_do_not_take_are_faults() {
        let ed25519 = STANDARD.encode([7; 32]);
        for (text, severity, words) in [
            (format!("v=DKIM1; k=ed25519; p={ed25519}"), "notice", "Ed25519"),
            (format!("k=ed25519; t=y; p={ed25519}"), "warning", "test mode"),
            ("v=DKIM1; p=".to_owned(), "error", "revoked"),
            ("v=DKIM1; k=rsa".to_owned(), "error", "has no key"),
            ("v=DKIM1; p=AAAA".to_owned(), "error", "no public key"),
            ("v=DKIM1; p=%%".to_owned(), "error", "base64"),
            ("v=DKIM2; p=AAAA".to_owned(), "error", "no key of DKIM"),
            ("hello".to_owned(), "error", "no key of DKIM"),
        ] {
            let finding = of_key("s._domainkey.a.example", &text);
            assert_eq!(finding.severity.as_str(), severity, "{text}");
            assert!(finding.detail.contains(words), "{}", finding.detail);
        }
    }
}
