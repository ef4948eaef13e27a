//! Mail servers of tenants' own.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::arguments::word;
use super::super::output::{row, thing};
use super::super::place::read_secret;
use super::super::webhook::TenantArgs;
use super::super::{CommandResult, Exit, Invocation, pages};
use super::check::{self, CheckArgs};
use crate::app::App;
use crate::features::iam::Realm;
use crate::features::notifications::provider::{self, MailHost, MailProvider, MailUser, NewProvider};
use crate::kernel::{AnyFailure, MailAddress};
use crate::settings::SmtpTls;

/// What a password is called, and how it is given.
const PASSWORD: (&str, &str) = ("the password", "--password-stdin or --password-file");
/// The ways of encryption.
const TLS: [SmtpTls; 3] = [SmtpTls::Implicit, SmtpTls::StartTls, SmtpTls::None];

/// Arguments of `nexus notify provider`.
#[derive(Debug, Args)]
pub(super) struct ProviderArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List the mail server of a tenant, if it has one of its own
    #[command(after_help = "\
EXAMPLES
  nexus notify provider list --tenant acme")]
    List(OfTenantArgs),
    /// Have a tenant's mail go by a mail server of its own
    ///
    /// Every message of the tenant, also those about accounts, is handed to it from then on. Its host
    /// must have public addresses, its port be 25, 465, 587 or 2525, and the connection encrypted,
    /// unless outbound.allow_networks names its network. The password is sealed, and never shown.
    #[command(after_help = "\
EXAMPLES
  nexus notify provider set --host smtp.acme.example --user mailer@acme.example --password-stdin \\
      --from 'Acme <no-reply@acme.example>' --tenant acme <password.txt
  nexus notify provider set --host 10.0.0.7 --port 1025 --tls none --from no-reply@acme.example --tenant acme")]
    Set(Box<SetArgs>),
    /// Have a tenant's mail go by the platform's mail server again
    #[command(after_help = "\
EXAMPLES
  nexus notify provider remove --tenant acme")]
    Remove(OfTenantArgs),
    /// Check whether mail arrives: MX, SPF, DKIM, DMARC, connection and login
    ///
    /// Looks up what receivers look up of the domain that mail is from, and says of each record what it
    /// means to them and what to add. Then connects to the mail server and logs in; nothing is sent.
    /// Without --tenant, the platform's mail server is checked; no control database is needed for that.
    #[command(after_help = "\
EXAMPLES
  nexus notify provider check --dkim-selector mail2026
  nexus notify provider check --tenant acme --dkim-selector s1 --sender-ip 192.0.2.7
  nexus -o json notify provider check --from no-reply@acme.example | jq '.[] | select(.severity != \"ok\")'

Exit codes: 0 nothing worse than warnings, 2 records are missing or wrong, or no mail server is
set, 8 the mail server or a DNS server cannot be used.")]
    Check(Box<CheckArgs>),
}

/// Arguments of `nexus notify provider list` and `remove`.
#[derive(Debug, Args)]
pub(super) struct OfTenantArgs {
    /// Which tenant
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
}

/// Arguments of `nexus notify provider set`.
#[derive(Debug, Args)]
pub(super) struct SetArgs {
    /// The server's name or address
    #[arg(long, value_name = "HOST")]
    pub(super) host: MailHost,
    /// Its port [default: 587 with starttls, 465 with implicit, 25 with none]
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    pub(super) port: Option<u16>,
    /// How the connection is encrypted [default: implicit on port 465, else starttls]
    #[arg(long, value_name = "TLS", value_parser = word(TLS, SmtpTls::word))]
    pub(super) tls: Option<SmtpTls>,
    /// Log in as this user; the password is asked for
    #[arg(long, value_name = "NAME")]
    pub(super) user: Option<MailUser>,
    /// Read the password from standard input
    #[arg(long, requires = "user", conflicts_with = "password_file")]
    pub(super) password_stdin: bool,
    /// Read the password from this file, which only you may read
    #[arg(long, value_name = "PATH", requires = "user", value_hint = clap::ValueHint::FilePath)]
    pub(super) password_file: Option<PathBuf>,
    /// Keep the password, where server and user stay the same
    #[arg(long, requires = "user", conflicts_with_all = ["password_stdin", "password_file"])]
    pub(super) keep_password: bool,
    /// Whom mail is from, e.g. 'Acme <no-reply@acme.example>'
    #[arg(long, value_name = "ADDRESS")]
    pub(super) from: MailAddress,
    /// Where answers go to
    #[arg(long, value_name = "ADDRESS")]
    pub(super) reply_to: Option<MailAddress>,
    /// Which tenant
    #[command(flatten)]
    pub(super) tenant: TenantArgs,
}

pub(super) async fn run(args: ProviderArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::List(args) => {
            let (_, mut realm) = open(&args.tenant, ctx).await?;
            let found = provider::find(&mut realm, &caller).await?;
            pages::list(ctx, found.into_iter().collect(), "mail servers of its own")?;
        }
        Verb::Set(args) => {
            let password = if args.user.is_some() && !args.keep_password {
                Some(read_secret(args.password_stdin, args.password_file.as_deref(), PASSWORD, ctx)?)
            } else {
                None
            };
            let SetArgs { host, port, tls, user, from, reply_to, tenant, .. } = *args;
            let new = NewProvider { host, port, tls, user, password, from, reply_to };
            let (app, mut realm) = open(&tenant, ctx).await?;
            let outbound = app.outbound();
            let set = provider::set(&mut realm, &caller, outbound.policy(), &new).await?;
            say_if_dry(ctx);
            ctx.screen.thing(&set)?;
        }
        Verb::Remove(args) => {
            let (_, mut realm) = open(&args.tenant, ctx).await?;
            let gone = provider::remove(&mut realm, &caller).await?;
            say_if_dry(ctx);
            ctx.screen.thing(&gone)?;
        }
        Verb::Check(args) => return check::run(*args, ctx).await,
    }
    Ok(Exit::Done)
}

fn say_if_dry(ctx: &Invocation) {
    if ctx.global.dry_run {
        ctx.screen.note("nothing was done; this is what would be");
    }
}

/// Opens the tenant's realm; with `--dry-run`, so that nothing is written.
async fn open(of: &TenantArgs, ctx: &Invocation) -> Result<(App, Realm), AnyFailure> {
    let session = ctx.open(&ctx.screen.progress()).await?;
    let app = session.app.clone();
    let realm = session.enter_realm(&ctx.caller(), Some(&of.tenant)).await?;
    Ok((app, realm.dry_run(ctx.global.dry_run)))
}

row! { it: MailProvider, it.host;
    text "host": it.host,
    text "port": it.port,
    text "tls": it.tls.word(),
    text "user": it.user,
    text "from": it.from,
    text "updated_at": it.updated_at,
}

thing! { it: MailProvider, it.host;
    "host": it.host,
    "port": it.port,
    "tls": it.tls.word(),
    "user": it.user,
    "from": it.from,
    "reply_to": it.reply_to,
    "updated_by": it.updated_by,
    "updated_at": it.updated_at,
}
