//! Whether mail arrives: what the DNS says of the domain that mail is from, as those who receive it read it, and
//! whether the mail server takes the login. Nothing is sent.

mod lookups;
mod spf;
mod tags;

use std::net::IpAddr;

use super::error::NotificationsError;
use super::mailer::Mailer;
use super::service::failure;
use crate::features::access::{self, rights};
use crate::infra::dns::Dns;
use crate::infra::outbound::Policy;
use crate::infra::smtp::{Deadlines, Outcome, StepDetail, StepTaken};
use crate::kernel::line::lines;
use crate::kernel::{
    Caller, ErrorKind, Failure, Finding, Hint, Location, MailAddress, Report, Severity, Subject,
};

lines! {
    /// The name of a key of DKIM, which the provider says (RFC 6376, section 3.1).
    DkimSelector: |given| {
        let is_allowed = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        let fits = (1..=63).contains(&given.len()) && given.chars().all(is_allowed);
        let is_name = fits && !given.starts_with('.') && !given.ends_with('.') && !given.contains("..");
        let wrong = "a selector is the name before ._domainkey, e.g. mail2026";
        is_name.then(|| given.to_ascii_lowercase()).ok_or_else(|| wrong.to_owned())
    };
}

/// Whose mail is to arrive.
#[derive(Debug)]
pub struct MailSender<'a> {
    /// Whom it is from.
    pub from: MailAddress,
    /// The server that it is handed to; none: only the domain is looked at.
    pub mailer: Option<&'a Mailer>,
    /// By which names it is signed.
    pub selectors: Vec<DkimSelector>,
    /// From which addresses it reaches receivers; none: from those of the server.
    pub addresses: Vec<IpAddr>,
}

/// What is known of a part, for what depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
    /// It could not be told, or nobody asked.
    Open,
}

/// Looks up what receivers look up, and connects to the mail server and logs in. What could not be looked up is a
/// finding, too.
///
/// # Errors
/// For all but who holds the platform's credentials.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn check(
    dns: &Dns,
    caller: &Caller,
    sender: &MailSender<'_>,
) -> Result<Report, NotificationsError> {
    access::authorize_machine(caller, &rights::NOTIFY_TEST)?;
    let domain = sender.from.domain();
    let (server, seen) = server(sender).await;
    let mut findings = vec![lookups::mail_servers(dns, &domain).await];
    let (of_spf, record) = lookups::spf(dns, &domain).await;
    let (covers, covered) = match &record {
        Some(record) => covers(record, &domain, sender, &seen),
        None if of_spf.is_unchecked() => (None, Known::Open),
        None => (None, Known::No),
    };
    findings.push(of_spf);
    findings.extend(covers);
    let mut signed = Known::Open;
    for selector in &sender.selectors {
        let of_key = lookups::key(dns, &domain, selector.as_str()).await;
        signed = match of_key.severity {
            Severity::Ok | Severity::Notice | Severity::Warning => Known::Yes,
            Severity::Error(_) if signed != Known::Yes => Known::No,
            _ => signed,
        };
        findings.push(of_key);
    }
    if sender.selectors.is_empty() {
        let why = "not looked up: the record has the name of the selector that the mail server signs with";
        findings.push(found(("mail.dkim", Severity::Skipped), &domain, why));
    }
    findings.push(lookups::dmarc(dns, &domain).await);
    findings.push(aligned(&domain, covered, signed));
    findings.push(server);
    Ok(Report::from(findings))
}

/// Whether the server takes connection and login; which addresses it was found at.
async fn server(sender: &MailSender<'_>) -> (Finding, Vec<IpAddr>) {
    const CODE: &str = "mail.server";
    let Some(mailer) = sender.mailer else {
        let why = "no mail server is set: only the domain was looked at";
        return (found((CODE, Severity::Skipped), &sender.from.address.to_string(), why), Vec::new());
    };
    let client = mailer.client.with_deadlines(Deadlines::TEST);
    let name = format!("{}:{}", client.server().host, client.server().port);
    let (opened, steps) = client.connect_traced().await;
    let finding = match opened {
        Ok(()) => {
            let login =
                if client.server().login.is_some() { " and takes the login" } else { ", without a login" };
            found((CODE, Severity::Ok), &name, format!("it answers{login}"))
        }
        Err(stop) => {
            let failure = failure(mailer, &Outcome::Deferred(stop.clone()), &stop, &steps).await;
            let problem = found((CODE, Severity::Error(failure.kind())), &name, failure.to_string());
            Finding { fix: failure.hints(), ..problem }
        }
    };
    (finding, addresses(&steps))
}

fn addresses(steps: &[StepTaken]) -> Vec<IpAddr> {
    let of_step = |taken: &StepTaken| match &taken.seen {
        StepDetail::Addresses(all) => Some(all.clone()),
        _ => None,
    };
    steps.iter().find_map(of_step).unwrap_or_default()
}

/// Whether the record lets the mail come from where it comes from.
fn covers(
    record: &spf::Record,
    domain: &str,
    sender: &MailSender<'_>,
    seen: &[IpAddr],
) -> (Option<Finding>, Known) {
    const CODE: &str = "mail.spf_server";
    let is_given = !sender.addresses.is_empty();
    let all = if is_given { &sender.addresses[..] } else { seen };
    // What is not public is no address that receivers see.
    let public = |ip: &&IpAddr| is_given || Policy::default().allows(**ip, true);
    let all: Vec<IpAddr> = all.iter().filter(public).copied().collect();
    if all.is_empty() {
        let why =
            "not evaluated: no public address of the mail server is known; say from which addresses it sends";
        return (Some(found((CODE, Severity::Skipped), domain, why)), Known::Open);
    }
    let mut open = Vec::new();
    for ip in &all {
        match record.asked(*ip) {
            spf::Said::Pass => {}
            spf::Said::Open(words) => open.extend(words),
            spf::Said::Not(qualifier) => {
                let sign = qualifier.sign();
                let detail =
                    format!("the SPF record does not let {ip} send for {domain} (its answer is {sign}all)");
                let mut warning = found((CODE, Severity::Warning), domain, detail);
                let network = if ip.is_ipv4() { "ip4" } else { "ip6" };
                warning.fix.push(
                    format!("add {network}:{ip} to the record, or what the provider says to include").into(),
                );
                if !is_given {
                    let unsure = "if the provider sends from other addresses than its server takes mail at, check those";
                    warning.fix.push(Hint::from(unsure));
                }
                return (Some(warning), if is_given { Known::No } else { Known::Open });
            }
        }
    }
    if !open.is_empty() {
        let detail = format!("not evaluated: it depends on {}", shortened(&open.join(", ")));
        return (Some(found((CODE, Severity::Notice), domain, detail)), Known::Open);
    }
    let all: Vec<String> = all.iter().map(ToString::to_string).collect();
    let detail = format!("the SPF record lets {} send for {domain}", all.join(", "));
    (Some(found((CODE, Severity::Ok), domain, detail)), Known::Yes)
}

/// Whether DMARC passes: one of both has to, for the domain of From (RFC 7489, section 3.1). The envelope's sender is
/// that of From in all that Nexus sends.
fn aligned(domain: &str, covered: Known, signed: Known) -> Finding {
    const CODE: &str = "mail.alignment";
    let both = "the sender of the envelope is of the same domain as From";
    match (covered, signed) {
        (Known::Yes, _) => {
            found((CODE, Severity::Ok), domain, format!("SPF passes, and {both}: so does DMARC"))
        }
        (_, Known::Yes) => {
            let detail = format!("DMARC passes where the mail server signs with d={domain}");
            found((CODE, Severity::Ok), domain, detail)
        }
        (Known::Open, _) | (_, Known::Open) => {
            let why = "not known: neither SPF nor DKIM was seen to pass for the mail server";
            found((CODE, Severity::Notice), domain, why)
        }
        (Known::No, Known::No) => {
            let why = "neither SPF nor DKIM passes: receivers treat mail as forged";
            let fix =
                Hint::from("add the SPF record or the DKIM key that the provider of the mail server gives");
            Finding { fix: vec![fix], ..found((CODE, Severity::Error(ErrorKind::Invalid)), domain, why) }
        }
    }
}

fn found((code, severity): (&'static str, Severity), object: &str, detail: impl Into<String>) -> Finding {
    let subject = Subject { place: Location::Machine, object: object.to_owned(), ..Subject::default() };
    Finding { code: code.into(), severity, subject, detail: detail.into(), fix: Vec::new(), extra: () }
}

/// What others wrote, bounded.
fn shortened(text: &str) -> String {
    const MOST: usize = 300;
    let short: String = text.chars().take(MOST).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}
