//! Sends a test message as messages to users are sent, and shows each step.

use std::time::{Duration, SystemTime};

use uuid::Uuid;

use super::advice::Failed;
use super::error::NotificationsError;
use super::mailer::Mailer;
use super::views::{MailTestView, StepView, state};
use crate::features::access::{self, rights};
use crate::infra::smtp::{
    self, Deadlines, NewMessage, Outcome, SmtpClient, Step, StepDetail, StepTaken, Stop,
};
use crate::kernel::{Caller, Email, MailAddress};
use crate::settings::SmtpTls;

/// How long to see whether a port that is silent begins with TLS.
const TLS_PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a test came to.
#[derive(Debug)]
pub struct MailTest {
    pub view: MailTestView,
    /// Why the message was not sent, with what to do.
    pub verdict: Result<(), NotificationsError>,
}

/// Sends a test message over a connection of its own: each step with its time and the server's words, and, where it
/// was not sent, what to do. Needs no control database.
///
/// # Errors
/// For all but who holds the platform's credentials; where the message cannot be written.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn test(mailer: &Mailer, caller: &Caller, to: &Email) -> Result<MailTest, NotificationsError> {
    access::authorize_machine(caller, &rights::NOTIFY_TEST)?;
    let server = mailer.client.server();
    let to = MailAddress::from(to.clone());
    let (id, text) = (Uuid::now_v7().to_string(), text(mailer));
    let message = NewMessage {
        id: &id,
        at: SystemTime::now(),
        from: &mailer.from,
        reply_to: mailer.reply_to.as_ref(),
        to: &to,
        subject: "Nexus test message",
        text: &text,
        html: None,
        // RFC 3834, section 5: no answer from a program.
        headers: &[("Auto-Submitted", "auto-generated")],
    };
    let mail = message.build()?;
    let client = SmtpClient::new(server.clone(), Deadlines::TEST, 1);
    let (outcome, steps) = client.send_traced(&mail).await;
    let view = MailTestView {
        server: format!("{}:{}", server.host, server.port),
        tls: server.tls,
        from: mailer.from.to_string(),
        to: to.to_string(),
        state: state(&outcome),
        ms: steps.iter().map(|taken| u64::try_from(taken.took.as_millis()).unwrap_or(u64::MAX)).sum(),
        steps: views(&steps, outcome.stop()),
        failed: outcome.stop().map(ToString::to_string),
    };
    let verdict = match outcome.stop() {
        None => Ok(()),
        Some(stop) => Err(failure(mailer, &outcome, stop, &steps).await),
    };
    Ok(MailTest { view, verdict })
}

fn views(steps: &[StepTaken], stop: Option<&Stop>) -> Vec<StepView> {
    let last = steps.len().saturating_sub(1);
    steps.iter().enumerate().map(|(index, taken)| StepView::of(taken, stop, index == last)).collect()
}

fn text(mailer: &Mailer) -> String {
    let server = mailer.client.server();
    format!(
        "This is a test message of Nexus {}.\n\nIt was sent through {} on port {}, from {}.\n\
         If you can read this, mail works.\n",
        env!("CARGO_PKG_VERSION"),
        server.host,
        server.port,
        mailer.from.address,
    )
}

pub(super) async fn failure(
    mailer: &Mailer,
    outcome: &Outcome,
    stop: &Stop,
    steps: &[StepTaken],
) -> NotificationsError {
    let server = mailer.client.server();
    let chain = steps.iter().rev().find_map(|taken| match &taken.seen {
        StepDetail::Tls(seen) => Some(seen.chain.clone()),
        _ => None,
    });
    // The port of a server that expects TLS at once is silent: it waits for the client.
    let is_silent = stop.step == Step::Greeting && stop.reply().is_none() && server.tls != SmtpTls::Implicit;
    // Where a tenant names the server, only what was checked is connected to.
    let may_probe = is_silent && !mailer.client.is_guarded();
    let speaks_tls = may_probe && smtp::speaks_tls(&server.host, server.port, TLS_PROBE_TIMEOUT).await;
    let chain = chain.unwrap_or_default();
    let failed = Failed { stop, server, from: &mailer.from, chain: &chain, speaks_tls };
    let (hints, reason) = (failed.advice(), stop.to_string());
    let server = format!("{}:{}", server.host, server.port);
    match (outcome, stop.step) {
        (Outcome::Unknown(_), _) => NotificationsError::Unknown { server, reason, hints },
        (Outcome::Refused(_), _) => NotificationsError::Refused { server, reason, hints },
        (_, Step::Lookup | Step::Connect | Step::Greeting | Step::Ehlo | Step::Noop) => {
            NotificationsError::Unreachable { server, reason, hints }
        }
        (_, Step::Tls | Step::Starttls) => NotificationsError::Tls { server, reason, hints },
        (_, Step::Auth) => NotificationsError::Login { server, reason, hints },
        _ => NotificationsError::Deferred { server, reason, hints },
    }
}
