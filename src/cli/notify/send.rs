//! Sending a notification.

use clap::{ArgGroup, Args};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::super::arguments::{Input, word};
use super::super::iam::RealmArgs;
use super::super::output::thing;
use super::super::{CommandResult, Exit, Invocation};
use super::input;
use crate::features::notifications::{
    self, Accepted, Content, DedupKey, NewNotification, NotificationPriority, Subject, To,
};
use crate::features::templates::{Channel, Kind};
use crate::kernel::text::counted;

/// Arguments of `nexus notify send`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("content").multiple(true).args(["subject", "text_file"]))]
pub(super) struct SendArgs {
    /// Send it to this address, user:ID or group:NAME; may be repeated
    #[arg(long, value_name = "WHO", required = true)]
    pub(super) to: Vec<To>,
    /// What it is about, e.g. app.order.shipped
    #[arg(long, value_name = "KIND")]
    pub(super) kind: Kind,
    /// Use the template of this kind [default: that of --kind]
    #[arg(long, value_name = "KIND", conflicts_with = "content")]
    pub(super) template: Option<Kind>,
    /// Use this subject, and no template
    #[arg(long, value_name = "TEXT", requires = "text_file")]
    pub(super) subject: Option<Subject>,
    /// Use the text of this file, or of standard input, and no template
    #[arg(long, value_name = "PATH|-", requires = "subject")]
    pub(super) text_file: Option<Input>,
    /// Read what the template may say as data from this file, or from standard input: a JSON object
    #[arg(long, value_name = "PATH|-")]
    pub(super) data: Option<Input>,
    /// Send it in this channel alone
    #[arg(long, value_name = "CHANNEL", value_parser = word(Channel::ALL, Channel::as_str))]
    pub(super) channel: Option<Channel>,
    /// How urgent it is: high is sent in quiet hours, too
    #[arg(long, value_name = "PRIORITY", default_value = "normal",
          value_parser = word(NotificationPriority::ALL, NotificationPriority::as_str))]
    pub(super) priority: NotificationPriority,
    /// Do not send it before this time, e.g. 2026-12-24T08:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) not_before: Option<OffsetDateTime>,
    /// Send it once, however often it is asked for with this key
    #[arg(long, value_name = "KEY")]
    pub(super) dedup_key: Option<DedupKey>,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "give a time like 2026-12-24T08:00:00Z".to_owned())
}

pub(super) async fn run(args: SendArgs, ctx: &Invocation) -> CommandResult {
    let data = input::object(args.data.as_ref())?;
    let content = match (args.subject, &args.text_file) {
        (Some(subject), Some(text)) => Content::Text { subject, text: input::text(text)? },
        _ => Content::Template(args.template.unwrap_or_else(|| args.kind.clone())),
    };
    let new = NewNotification {
        kind: args.kind,
        content,
        to: args.to,
        channel: args.channel,
        data,
        priority: args.priority,
        dedup_key: args.dedup_key,
        not_before: args.not_before,
    };
    let mut realm = args.realm.open(ctx).await?;
    let accepted = notifications::send(&mut realm, &ctx.caller(), &new).await?;
    if ctx.global.dry_run {
        let count = counted(accepted.ids.len(), "notification");
        ctx.screen.note(&format!("{count} would be sent; nothing was done"));
        return Ok(Exit::Done);
    }
    ctx.screen.thing(&accepted)?;
    Ok(Exit::Done)
}

thing! { it: Accepted, it.request_id;
    "request_id": it.request_id,
    "ids": it.ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
    "repeated": it.repeated,
}
