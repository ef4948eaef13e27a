//! `nexus local mail`: the mailbox of the local stack.

use clap::{Args, Subcommand};

use super::super::output::{Column, Format, Row, Thing, escape, time_text};
use super::super::{Exit, Invocation};
use crate::features::local::{LocalStack, MailTextView, MailView};
use crate::kernel::AnyFailure;

/// Arguments of `nexus local mail`.
#[derive(Debug, Args)]
pub struct MailArgs {
    #[command(subcommand)]
    verb: Verb,
}

/// How many messages a terminal shows.
const ON_TERMINAL: usize = 50;

#[derive(Debug, Subcommand)]
enum Verb {
    /// List messages, newest first
    #[command(after_help = "\
EXAMPLES
  nexus local mail list
  nexus -o json local mail list | jq -r '.[0].subject'")]
    List(ListArgs),
    /// Show a message: the newest, or the one with this id
    #[command(after_help = "\
EXAMPLES
  nexus local mail show                     the newest
  nexus local mail show 3f9a
  nexus local mail show | grep -o 'https://.*'
  nexus -o json local mail show | jq -r .text")]
    Show(ShowArgs),
}

/// Arguments of `nexus local mail list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Show at most this many [default: on a terminal 50, elsewhere all]
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1_000))]
    pub limit: Option<u32>,
}

/// Arguments of `nexus local mail show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The message's id, or its first characters
    pub id: Option<String>,
}

pub(super) fn run(args: &MailArgs, stack: &LocalStack, ctx: &Invocation) -> Result<Exit, AnyFailure> {
    match &args.verb {
        Verb::List(args) => {
            let most = match args.limit {
                Some(limit) => usize::try_from(limit).unwrap_or(usize::MAX),
                None if ctx.screen.data_on_terminal() => ON_TERMINAL,
                None => usize::MAX,
            };
            let mut mails = stack.mails(most.saturating_add(1))?;
            let has_more = mails.len() > most;
            mails.truncate(most);
            if mails.is_empty() {
                ctx.screen.note("the mailbox is empty");
            }
            ctx.screen.list(mails)?;
            if has_more && args.limit.is_none() {
                ctx.screen.flush()?;
                ctx.screen.note("--limit 1000 shows older messages");
            }
        }
        Verb::Show(args) => {
            let mail = stack.mail(args.id.as_deref())?;
            ctx.screen.thing(&mail)?;
            if ctx.screen.format() == Format::Table {
                // Below its headers, as it was written: a link stays one line.
                ctx.screen.raw(b"\n")?;
                for line in mail.text.lines() {
                    let line = escape::sentence(line);
                    ctx.screen.raw(format!("{line}\n").as_bytes())?;
                }
            }
        }
    }
    Ok(Exit::Done)
}

impl Row for MailView {
    const COLUMNS: &'static [Column] =
        &[Column::text("id"), Column::text("at"), Column::sentences("to"), Column::sentences("subject")];

    fn cells(&self) -> Vec<String> {
        vec![self.id.clone(), time_text(self.at), self.to.clone(), self.subject.clone()]
    }

    fn id(&self) -> String {
        self.id.clone()
    }
}

impl Thing for MailTextView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        vec![
            ("id", self.mail.id.clone()),
            ("at", time_text(self.mail.at)),
            ("from", self.mail.from.clone()),
            ("to", self.mail.to.clone()),
            ("subject", self.mail.subject.clone()),
            ("file", self.file.display().to_string()),
        ]
    }

    fn id(&self) -> String {
        self.mail.id.clone()
    }
}
