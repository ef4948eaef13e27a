//! Sending a test message, step by step.

use clap::Args;

use super::super::output::Thing;
use super::super::{CommandResult, Exit, Invocation};
use crate::app::mailer;
use crate::features::notifications::{self, MailTestView, StepView};
use crate::kernel::Email;

/// Arguments of `nexus notify test`.
#[derive(Debug, Args)]
pub(super) struct TestArgs {
    /// Send it to this address
    #[arg(long, value_name = "E-MAIL")]
    pub(super) to: Email,
}

pub(super) async fn run(args: &TestArgs, ctx: &Invocation) -> CommandResult {
    let settings = ctx.settings()?;
    if ctx.global.dry_run {
        ctx.screen.note(&format!("a test message would be sent to {}; nothing was done", args.to));
        return Ok(Exit::Done);
    }
    let mailer = mailer(&settings, &ctx.screen.progress()).await?;
    let test = ctx.reading(notifications::test(&mailer, &ctx.caller(), &args.to)).await?;
    ctx.screen.thing(&test.view)?;
    test.verdict?;
    Ok(Exit::Done)
}

impl Thing for MailTestView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let head = [
            ("server", format!("{}, TLS {}", self.server, self.tls.word())),
            ("from", self.from.clone()),
            ("to", self.to.clone()),
        ];
        let steps = self.steps.iter().map(|step| (step.step, step_in_words(step)));
        let end = [("state", self.state.to_owned()), ("time", format!("{} ms", self.ms))];
        head.into_iter().chain(steps).chain(end).collect()
    }

    fn id(&self) -> String {
        self.state.to_owned()
    }
}

/// The time of a step, and what was seen.
fn step_in_words(step: &StepView) -> String {
    let mut words = vec![format!("{} ms", step.ms)];
    let addresses: Vec<String> = step.addresses.iter().map(ToString::to_string).collect();
    words.extend((!addresses.is_empty()).then(|| addresses.join(", ")));
    words.extend(step.tls_version.clone());
    for (index, certificate) in step.certificates.iter().enumerate() {
        let of = if index == 0 { "certificate of" } else { "by" };
        let end = certificate.not_after.date();
        words.push(format!("{of} {} until {end}, issued by {}", certificate.subject, certificate.issuer));
    }
    words.extend(step.reply.as_ref().map(|reply| {
        let enhanced = reply.enhanced.as_ref().map(|code| format!(" {code}")).unwrap_or_default();
        format!("{}{enhanced} {}", reply.code, reply.words.join("; ")).trim_end().to_owned()
    }));
    if step.failed {
        words.push("FAILED".to_owned());
    }
    words.join("  ")
}
