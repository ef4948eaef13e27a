//! What notifications say.

use clap::{Args, Subcommand};
use serde::Serialize;

use super::super::arguments::{Input, word};
use super::super::iam::RealmArgs;
use super::super::output::{row, thing};
use super::super::{CommandResult, Exit, Invocation, pages};
use super::{diff, input};
use crate::features::iam::Language;
use crate::features::templates::{
    self, Channel, Kind, Preview, Source, TemplateKey, TemplateText, TemplateView, Trial,
};

/// Arguments of `nexus notify template`.
#[derive(Debug, Args)]
pub(super) struct TemplateArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the built-in templates, and a tenant's own
    #[command(after_help = "\
EXAMPLES
  nexus notify template list --tenant acme")]
    List(ListArgs),
    /// Show a template as it is written
    #[command(after_help = "\
EXAMPLES
  nexus notify template show account.invitation --tenant acme
  nexus notify template show account.invitation --diff --tenant acme
  nexus notify template show app.order.shipped --language de --version 2 --tenant acme")]
    Show(ShowArgs),
    /// Show what a message would say
    ///
    /// With the values of the sample, or with those of --data.
    #[command(after_help = "\
EXAMPLES
  nexus notify template preview account.invitation --tenant acme
  nexus notify template preview app.order.shipped --language de --data order.json --tenant acme")]
    Preview(PreviewArgs),
    /// Set what messages of a kind say
    ///
    /// The template is checked against the values that its messages have, and refused where it names
    /// another one. An app's own values are in data; --sample gives one of each. Templates may use
    /// values, filters, if and for: {{ name }}, {% if data.total %}, {% for item in data.items %}.
    #[command(after_help = "\
EXAMPLES
  nexus notify template set account.invitation --language de --subject 'Einladung zu {{ tenant }}' \\
      --text-file invitation.txt --html-file invitation.html --tenant acme
  nexus notify template set app.order.shipped --subject 'Order {{ data.order }} was shipped' \\
      --text-file shipped.txt --sample order.json --tenant acme")]
    Set(Box<SetArgs>),
    /// Remove a tenant's template; the built-in one, if any, is used again
    #[command(after_help = "\
EXAMPLES
  nexus notify template reset account.invitation --language de --tenant acme")]
    Reset(OneArgs),
}

/// Arguments of `nexus notify template list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

/// Which template.
#[derive(Debug, Args)]
pub(super) struct WhichArgs {
    /// What its messages are about, e.g. account.invitation or app.order.shipped
    pub(super) kind: Kind,
    /// The channel of its messages
    #[arg(long, value_name = "CHANNEL", default_value = "email", value_parser = word(Channel::ALL, Channel::as_str))]
    pub(super) channel: Channel,
    /// Its language, e.g. de or de-AT
    #[arg(long, value_name = "LANGUAGE", default_value = "en")]
    pub(super) language: Language,
}

impl WhichArgs {
    fn key(&self) -> TemplateKey {
        TemplateKey { kind: self.kind.clone(), channel: self.channel, language: self.language.clone() }
    }
}

/// Arguments of `nexus notify template show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Which template
    #[command(flatten)]
    pub(super) which: WhichArgs,
    /// This version of the tenant's own [default: the newest]
    #[arg(long, value_name = "N")]
    pub(super) version: Option<i32>,
    /// Show what differs from the built-in template: lines with '-' are its, those with '+' the tenant's
    #[arg(long)]
    pub(super) diff: bool,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

/// Arguments of `nexus notify template preview`.
#[derive(Debug, Args)]
pub(super) struct PreviewArgs {
    /// Which template
    #[command(flatten)]
    pub(super) which: WhichArgs,
    /// Read an app's own values from this file, or from standard input: a JSON object
    #[arg(long, value_name = "PATH|-")]
    pub(super) data: Option<Input>,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

/// Arguments of `nexus notify template set`.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// Which template
    #[command(flatten)]
    pub(super) which: WhichArgs,
    /// The subject, or the title in an inbox: one line
    #[arg(long, value_name = "TEXT")]
    pub(super) subject: String,
    /// Read the text from this file, or from standard input
    #[arg(long, value_name = "PATH|-")]
    pub(super) text_file: Input,
    /// Read the HTML from this file, or from standard input
    #[arg(long, value_name = "PATH|-")]
    pub(super) html_file: Option<Input>,
    /// Read one of each of an app's own values from this file, or from standard input: a JSON object
    #[arg(long, value_name = "PATH|-")]
    pub(super) sample: Option<Input>,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

/// Arguments of `nexus notify template reset`.
#[derive(Debug, Args)]
pub(super) struct OneArgs {
    /// Which template
    #[command(flatten)]
    pub(super) which: WhichArgs,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

pub(super) async fn run(args: TemplateArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::List(args) => {
            let mut realm = args.realm.open(ctx).await?;
            pages::list(ctx, templates::list(&mut realm, &caller).await?, "templates")?;
        }
        Verb::Show(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let shown = templates::show(&mut realm, &caller, &args.which.key(), args.version).await?;
            if args.diff {
                ctx.screen.thing(&TemplateDiff::of(&shown))?;
            } else {
                ctx.screen.thing(&shown)?;
            }
        }
        Verb::Preview(args) => {
            let data = args.data.as_ref().map(|data| input::object(Some(data))).transpose()?;
            let trial = Trial { key: args.which.key(), source: None, data };
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&templates::preview(&mut realm, &caller, &trial).await?)?;
        }
        Verb::Set(args) => {
            let source = Source {
                subject: args.subject.clone(),
                text: input::text(&args.text_file)?,
                html: args.html_file.as_ref().map(input::text).transpose()?,
            };
            let sample = input::object(args.sample.as_ref())?;
            let mut realm = args.realm.open(ctx).await?;
            let set = templates::set(&mut realm, &caller, &args.which.key(), (&source, &sample)).await?;
            ctx.screen.thing(&set)?;
        }
        Verb::Reset(args) => {
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&templates::reset(&mut realm, &caller, &args.which.key()).await?)?;
        }
    }
    Ok(Exit::Done)
}

/// What differs between a template and the built-in one.
#[derive(Debug, Serialize)]
struct TemplateDiff {
    kind: String,
    diff: String,
}

impl TemplateDiff {
    fn of(shown: &TemplateText) -> Self {
        let own = format!("{}\n\n{}", shown.head.subject, shown.text);
        let built_in = shown.built_in.as_ref();
        let before = built_in.map(|it| format!("{}\n\n{}", it.subject, it.text)).unwrap_or_default();
        Self { kind: shown.head.kind.clone(), diff: diff::lines(&before, &own) }
    }
}

thing! { it: TemplateDiff, it.kind;
    "kind": it.kind,
    "diff": it.diff,
}

row! { it: TemplateView, it.kind;
    text "kind": it.kind,
    text "channel": it.channel.as_str(),
    text "language": it.language,
    text "origin": it.origin.as_str(),
    text "version": it.version,
    text "subject": it.subject,
    text "updated_at": it.updated_at,
}

thing! { it: TemplateText, it.head.kind;
    "kind": it.head.kind,
    "channel": it.head.channel.as_str(),
    "language": it.head.language,
    "origin": it.head.origin.as_str(),
    "version": it.head.version,
    "subject": it.head.subject,
    "about": it.head.about,
    "updated_at": it.head.updated_at,
    "text": it.text,
    "html": it.html,
    "sample": serde_json::Value::Object(it.sample.clone()).to_string(),
    "versions": it.versions.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
}

thing! { it: Preview, it.subject;
    "subject": it.subject,
    "text": it.text,
    "html": it.html,
}
