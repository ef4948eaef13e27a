//! `nexus notify`: notifications, and mail.

mod check;
mod diff;
mod history;
mod input;
mod preference;
mod provider;
mod send;
mod suppress;
mod template;
mod test;

use clap::{Args, Subcommand};

use super::{CommandResult, Invocation};
use history::{ListArgs, OneArgs};
use preference::PreferenceArgs;
use provider::ProviderArgs;
use send::SendArgs;
use suppress::SuppressArgs;
use template::TemplateArgs;
use test::TestArgs;

/// Arguments of `nexus notify`.
#[derive(Debug, Args)]
pub struct NotifyArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Send a test message and show each step
    ///
    /// Sends one message through the configured mail server and shows each SMTP step with its time
    /// and reply: DNS, connect, greeting, EHLO, STARTTLS, TLS, AUTH, MAIL FROM, RCPT TO, DATA, message,
    /// reply. Where a step fails, says which and what to do. No control database is needed, and
    /// nothing is recorded. In the context local, without smtp_host, the message goes to the mailbox
    /// of the local stack.
    #[command(after_help = "\
EXAMPLES
  nexus notify test --to me@example.com
  nexus --context prod notify test --to me@example.com
  nexus -o json notify test --to me@example.com | jq '.steps[] | {step, ms}'

Exit codes: 0 the server accepted the message, 2 no mail server is set, 8 it was not accepted.")]
    Test(TestArgs),
    /// Send a notification to users, groups or addresses
    ///
    /// A process that runs jobs sends it: nexus serve or nexus worker. Without --channel it goes to
    /// the inbox and by email, as far as the recipient wants both.
    #[command(after_help = "\
EXAMPLES
  nexus notify send --tenant acme --to bob@acme.example --kind app.order.shipped --data order.json
  nexus notify send --tenant acme --to group:Sales --kind app.news --subject 'Closed on Friday' --text-file news.txt
  nexus notify send --tenant acme --to bob@acme.example --kind app.reminder --not-before 2026-12-24T08:00:00Z \\
      --dedup-key reminder-4711")]
    Send(Box<SendArgs>),
    /// List notifications, newest first
    #[command(after_help = "\
EXAMPLES
  nexus notify list --tenant acme --state failed
  nexus notify list --tenant acme --user bob@acme.example
  nexus notify list --all-tenants     what failed or may not have arrived, of all tenants")]
    List(ListArgs),
    /// Show a notification, and what became of it
    #[command(after_help = "\
EXAMPLES
  nexus notify show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Show(OneArgs),
    /// Send a notification again that failed or may not have arrived
    ///
    /// One that is unknown may have arrived: its recipient may get it twice. One that is deferred is sent now.
    #[command(after_help = "\
EXAMPLES
  nexus notify retry 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Retry(OneArgs),
    /// Cancel a notification that waits
    #[command(after_help = "\
EXAMPLES
  nexus notify cancel 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Cancel(OneArgs),
    /// List, show, preview and set templates
    Template(TemplateArgs),
    /// Show and change users' notification preferences
    Preference(PreferenceArgs),
    /// Show, set, remove and check mail servers of tenants
    Provider(ProviderArgs),
    /// List addresses that get no mail, add some, remove some
    Suppress(SuppressArgs),
}

/// Runs a verb of `nexus notify`.
///
/// # Errors
/// What the services say.
pub async fn run(args: NotifyArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Test(args) => test::run(&args, ctx).await,
        Verb::Send(args) => send::run(*args, ctx).await,
        Verb::List(args) => history::list(args, ctx).await,
        Verb::Show(args) => history::show(&args, ctx).await,
        Verb::Retry(args) => history::retry(&args, ctx).await,
        Verb::Cancel(args) => history::cancel(&args, ctx).await,
        Verb::Template(args) => template::run(args, ctx).await,
        Verb::Preference(args) => preference::run(args, ctx).await,
        Verb::Provider(args) => provider::run(args, ctx).await,
        Verb::Suppress(args) => suppress::run(args, ctx).await,
    }
}
