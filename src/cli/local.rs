//! `nexus local`: the embedded PostgreSQL, S3 endpoint and mailbox.

pub mod mail;

use std::ffi::OsString;
use std::sync::Arc;

use clap::{Args, Subcommand, ValueEnum};

use super::output::{Thing, escape};
use super::{CommandResult, Exit, Invocation, prompt, psql};
use crate::app::{App, ObjectServer, local_stack};
use crate::features::local::{LocalStack, LogSource, StatusView, daemon};
use crate::kernel::AnyFailure;

/// Arguments of `nexus local`.
#[derive(Debug, Args)]
pub struct LocalArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Start the stack, and wait until it is up
    ///
    /// Every command in the context local starts the stack automatically; this does it ahead of
    /// time. The first start creates a private PostgreSQL cluster and an S3 endpoint under
    /// NEXUS_HOME.
    #[command(after_help = "\
EXAMPLES
  nexus local up
  NEXUS_HOME=~/nexus-trial nexus local up   a separate stack, to throw away")]
    Up(UpArgs),
    /// Stop the stack and keep its data
    #[command(after_help = "\
EXAMPLES
  nexus local down")]
    Down(DownArgs),
    /// Show the stack's parts, their state and their addresses
    #[command(after_help = "\
EXAMPLES
  nexus local status
  nexus -o json local status | jq -r .s3.endpoint")]
    Status(StatusArgs),
    /// Show the logs of the stack's parts
    #[command(after_help = "\
EXAMPLES
  nexus local logs                          the last lines of every part
  nexus local logs postgres --lines 200
  nexus local logs s3 --follow")]
    Logs(LogsArgs),
    /// Destroy the stack with every tenant in it
    ///
    /// Stops the stack and deletes its data: the control database, all tenants' databases and
    /// objects. The word local must be typed; a script passes --yes --confirm local.
    #[command(after_help = "\
EXAMPLES
  nexus local reset
  nexus local reset --yes --confirm local   in a script
  nexus --dry-run local reset               what would be deleted")]
    Reset(ResetArgs),
    /// Open psql on the stack's PostgreSQL, as its superuser
    #[command(after_help = "\
EXAMPLES
  nexus local psql
  nexus local psql -- -d nexus -c 'select 1'")]
    Psql(PsqlArgs),
    /// Show the mail that the local stack caught
    Mail(mail::MailArgs),
    /// Run and supervise the stack's parts
    #[command(hide = true)]
    Daemon(DaemonArgs),
}

/// Arguments of `nexus local up`.
#[derive(Debug, Args)]
pub struct UpArgs {}

/// Arguments of `nexus local down`.
#[derive(Debug, Args)]
pub struct DownArgs {}

/// Arguments of `nexus local status`.
#[derive(Debug, Args)]
pub struct StatusArgs {}

/// A part of the stack that logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// PostgreSQL
    Postgres,
    /// The S3 endpoint
    S3,
    /// The daemon that supervises both
    Daemon,
}

/// Arguments of `nexus local logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Only this part
    pub part: Option<Part>,
    /// Show this many of the last lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(0..=1_000_000))]
    pub lines: u32,
    /// Show new lines as they come, until Ctrl-C
    #[arg(short, long)]
    pub follow: bool,
}

/// Arguments of `nexus local reset`.
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// Confirm with the word local, where there is no terminal to type it on
    #[arg(long, value_name = "WORD")]
    pub confirm: Option<String>,
}

/// Arguments of `nexus local psql`.
#[derive(Debug, Args)]
pub struct PsqlArgs {
    /// Arguments for psql
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// Arguments of `nexus local daemon`.
#[derive(Debug, Args)]
pub struct DaemonArgs {}

/// Runs a verb of `nexus local`.
///
/// # Errors
/// What the stack says.
pub async fn run(args: LocalArgs, ctx: &Invocation) -> CommandResult {
    let settings = ctx.settings()?;
    if let Verb::Daemon(DaemonArgs {}) = args.verb {
        daemon::run(settings.home.clone(), Arc::new(ObjectServer)).await?;
        return Ok(Exit::Done);
    }
    let stack = local_stack(&settings)?;
    match args.verb {
        Verb::Up(UpArgs {}) => {
            if ctx.global.dry_run {
                ctx.screen.note("the stack would be started; nothing was done");
                return Ok(Exit::Done);
            }
            // Opening the context starts the stack and sets it up.
            App::open_to_read(&settings, &ctx.caller(), &ctx.screen.progress()).await?;
            ctx.screen.thing(&stack.status().await?)?;
        }
        Verb::Down(DownArgs {}) if ctx.global.dry_run => {
            ctx.screen.note("the stack would be stopped; nothing was done");
        }
        Verb::Down(DownArgs {}) => {
            let ran = stack.down().await?;
            ctx.screen.note(if ran {
                "the stack is stopped; its data is kept"
            } else {
                "the stack was not running"
            });
        }
        Verb::Status(StatusArgs {}) => ctx.screen.thing(&stack.status().await?)?,
        Verb::Logs(args) => logs(&args, &stack, ctx).await?,
        Verb::Reset(args) => reset(&args, &stack, ctx).await?,
        Verb::Psql(args) => {
            let app = App::open_to_read(&settings, &ctx.caller(), &ctx.screen.progress()).await?;
            let server = app.provisioning.control.clone();
            drop(app);
            return psql::run(&server, &args.args, ctx).await;
        }
        Verb::Mail(args) => return mail::run(&args, &stack, ctx),
        Verb::Daemon(DaemonArgs {}) => {}
    }
    Ok(Exit::Done)
}

async fn logs(args: &LogsArgs, stack: &LocalStack, ctx: &Invocation) -> Result<(), AnyFailure> {
    let lines = usize::try_from(args.lines).unwrap_or(usize::MAX);
    let sources = match args.part {
        Some(Part::Postgres) => vec![LogSource::Postgres],
        Some(Part::S3) => vec![LogSource::S3],
        Some(Part::Daemon) => vec![LogSource::Daemon],
        None => vec![LogSource::Daemon, LogSource::Postgres],
    };
    for source in &sources {
        for line in stack.logs(*source, lines)? {
            ctx.screen.raw(format!("{}\n", escape::sentence(&line)).as_bytes())?;
        }
    }
    if args.follow {
        let source = sources.first().copied().unwrap_or(LogSource::Daemon);
        let mut write = |line: &str| {
            let line = format!("{}\n", escape::sentence(line));
            ctx.screen.raw(line.as_bytes()).is_ok() && ctx.screen.flush().is_ok() && !ctx.screen.reader_left()
        };
        tokio::select! {
            ended = stack.follow(source, 0, &mut write) => ended?,
            () = ctx.interrupt.cancelled() => {}
        }
    }
    Ok(())
}

async fn reset(args: &ResetArgs, stack: &LocalStack, ctx: &Invocation) -> Result<(), AnyFailure> {
    let status = stack.status().await?;
    let what = format!(
        "all of {}: the control database, every tenant's database and objects",
        status.data_dir.display()
    );
    if ctx.global.dry_run {
        ctx.screen.note(&format!("would delete {what}"));
        return Ok(());
    }
    prompt::confirm_word(ctx, "destroying the local stack", &[what], "local", args.confirm.as_deref())?;
    stack.reset().await?;
    ctx.screen.note("the stack and its data were deleted; the master key is kept");
    Ok(())
}

impl Thing for StatusView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![
            ("state", word(&self.state)),
            ("data_dir", self.data_dir.display().to_string()),
            ("daemon.pid", self.daemon.pid.map(|pid| pid.to_string()).unwrap_or_default()),
            ("postgres.state", word(&self.postgres.state)),
            ("postgres.socket_dir", self.postgres.socket_dir.display().to_string()),
            ("postgres.port", self.postgres.port.to_string()),
            ("postgres.version", text(&self.postgres.version)),
            ("postgres.last_error", text(&self.postgres.last_error)),
            ("s3.state", word(&self.s3.state)),
            ("s3.endpoint", text(&self.s3.endpoint)),
            ("s3.region", self.s3.region.clone()),
            ("s3.last_error", text(&self.s3.last_error)),
            ("mail.state", word(&self.mail.state)),
            ("mail.smtp", text(&self.mail.smtp)),
            ("mail.last_error", text(&self.mail.last_error)),
        ]
    }

    fn id(&self) -> String {
        self.data_dir.display().to_string()
    }
}

/// A state as JSON writes it.
fn word(state: &impl serde::Serialize) -> String {
    let value = serde_json::to_value(state).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}
