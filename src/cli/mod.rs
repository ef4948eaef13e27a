//! The command line: grammar, prompts, rendering. A thin door: no rule, no SQL.
//!
//! Knows the services of `app` and below. May not import sqlx or any S3 client. One file per noun;
//! what is written to standard output goes through [`output::Screen`].
//!
//! Start reading at [`Cli`] and [`run`].

use std::ffi::OsString;
use std::future::Future;
use std::path::PathBuf;

use clap::{ArgAction, ArgMatches, Args, CommandFactory, FromArgMatches, Parser, Subcommand};

use crate::kernel::AnyFailure;
pub use crate::kernel::child::TAKEN_BY_THE_DRIVER;

pub mod api_key;
pub mod arguments;
pub mod audit;
pub mod cluster;
pub mod complete;
pub mod completions;
pub mod config;
pub mod confirm;
pub mod context;
pub mod crash;
pub mod custom_field;
pub mod doctor;
pub mod event;
pub mod exec;
pub mod exit;
pub mod fsck;
#[cfg(test)]
mod generated;
pub mod group;
pub mod hint;
pub mod iam;
pub mod init;
pub mod interrupt;
pub mod invocation;
pub mod job;
pub mod key;
pub mod local;
pub mod logging;
pub mod manual;
pub mod migrate;
pub mod moment;
pub mod notify;
pub mod operation;
pub mod operator;
pub mod output;
mod own_files;
pub(crate) mod pages;
mod pasted;
pub mod permission;
pub mod place;
pub mod pool;
pub mod prompt;
mod psql;
pub mod role;
mod rows;
pub mod schema;
pub mod secret;
pub mod secret_input;
pub mod secret_output;
pub mod serve;
pub mod service;
pub mod store;
mod suggestions;
pub mod tenant;
mod text;
pub mod token;
pub mod usage;
pub mod user;
pub mod version;
pub mod webhook;
#[cfg(test)]
mod words;
pub mod worker;

pub use exit::Exit;
pub use invocation::Invocation;

/// What a command ends with.
pub type CommandResult = Result<Exit, AnyFailure>;

/// Give every customer a database and a bucket of their own
///
/// Nexus creates a customer's ("tenant's") PostgreSQL database, S3 bucket and credentials, proves
/// that nobody else can open them, and finishes or rolls back whatever a crash interrupted. With no
/// settings at all it works on a private PostgreSQL and S3 endpoint of its own.
#[derive(Debug, Parser)]
#[command(
    name = "nexus",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    infer_long_args = false,
    max_term_width = 100,
    after_help = AFTER_HELP
)]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

const AFTER_HELP: &str = "\
EXAMPLES
  nexus local up                    start the embedded PostgreSQL and S3 endpoint
  nexus tenant create acme          create a tenant
  nexus tenant psql acme            open its database, as its own login
  nexus -o json tenant list         the tenants, for a script

Exit codes: 0 done, 1 a bug, 2 usage, 3 refused, 4 no such thing, 5 conflict, 6 partly done,
7 busy, 8 a dependency is down, 9 integrity, 130 interrupted.";

/// Flags that every command takes, before the command or after it.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Global options")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct GlobalArgs {
    /// Work on this context: one of the installations in nexus.toml
    #[arg(long, global = true, value_name = "NAME", add = complete::contexts())]
    pub context: Option<String>,
    /// Read this settings file and no other
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub config: Option<PathBuf>,
    /// Output format; tables are drawn on a terminal, elsewhere rows are separated by tabs
    #[arg(short, long, global = true, value_name = "FORMAT", default_value = "table")]
    pub output: output::Format,
    /// Write data and errors only: no notes, no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
    /// Log more, and show the causes of an error; may be repeated
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,
    /// Assume yes; commands that destroy, or change many, also need --confirm
    #[arg(short, long, global = true)]
    pub yes: bool,
    /// Show what would be done, and do nothing
    #[arg(long, global = true)]
    pub dry_run: bool,
    /// Do not show long tables in a pager
    #[arg(long, global = true)]
    pub no_pager: bool,
}

/// The nouns, and the few commands that have none.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the embedded PostgreSQL and S3 endpoint
    Local(local::LocalArgs),
    /// Create the control database, the keys and the first operator
    Init(init::InitArgs),
    /// Check the installation and suggest a fix for each problem
    ///
    /// Checks settings, programs, the local stack, the master key, the control database, every
    /// server and store, unfinished work, the audit log and this machine. Changes nothing, starts
    /// nothing, and does not stop at the first problem. Works without settings, and with wrong
    /// ones.
    Doctor(doctor::DoctorArgs),
    /// Choose the installation that commands work on
    #[command(alias = "contexts")]
    Context(context::ContextArgs),
    /// Show the settings, and where each comes from
    Config(config::ConfigArgs),
    /// Manage the PostgreSQL servers that tenants are placed on
    #[command(alias = "clusters")]
    Cluster(cluster::ClusterArgs),
    /// Manage the object stores that tenants' buckets are placed in
    #[command(alias = "stores")]
    Store(store::StoreArgs),
    /// Provision spare tenants ahead of time
    #[command(alias = "pools")]
    Pool(pool::PoolArgs),
    /// Create, inspect, repair and delete tenants
    #[command(alias = "tenants")]
    Tenant(tenant::TenantArgs),
    /// List, resume and roll back recorded changes of tenants
    #[command(alias = "operations")]
    Operation(operation::OperationArgs),
    /// Manage sets of migrations, and migrate every tenant to the same version
    #[command(alias = "migrations")]
    Migrate(migrate::MigrateArgs),
    /// Run one statement in many tenants' databases, as each tenant's own login
    ///
    /// It is read-only unless --write is given; then it is one transaction in each tenant. Results
    /// are written as they arrive. The audit log records who ran it, but not its text.
    #[command(after_help = exec::AFTER_HELP, override_usage = exec::USAGE)]
    Exec(Box<exec::ExecArgs>),
    /// Compare the control database with the servers and stores, and fix what differs
    ///
    /// Checks every PostgreSQL server and every object store. Each finding is checked twice, so
    /// that a change in progress is not reported as a fault. Changes nothing without --fix.
    #[command(after_help = fsck::AFTER_HELP)]
    Fsck(fsck::FsckArgs),
    /// Manage the users of a realm: a tenant's, or the platform's operators
    #[command(alias = "users")]
    User(Box<user::UserArgs>),
    /// Manage what roles allow, and who holds them
    #[command(alias = "roles")]
    Role(Box<role::RoleArgs>),
    /// List and register the permissions that roles can hold
    #[command(alias = "permissions")]
    Permission(permission::PermissionArgs),
    /// Manage groups of users, which nest and carry roles
    #[command(alias = "groups")]
    Group(Box<group::GroupArgs>),
    /// Define the custom fields of users and groups
    #[command(alias = "custom-fields")]
    CustomField(Box<custom_field::CustomFieldArgs>),
    /// Declare a realm's roles, groups and grants in a file, and change its settings
    Iam(iam::IamArgs),
    /// Give operators temporary access to tenants
    #[command(alias = "operators")]
    Operator(Box<operator::OperatorArgs>),
    /// Show the keys that seal secrets
    #[command(alias = "secrets")]
    Secret(secret::SecretArgs),
    /// Show who changed what, and prove that the log was not changed
    Audit(audit::AuditArgs),
    /// Mint, verify, list and revoke access tokens
    #[command(alias = "tokens")]
    Token(token::TokenArgs),
    /// Manage the keys that sign access tokens
    #[command(alias = "keys")]
    Key(key::KeyArgs),
    /// Create, list, verify and revoke API keys
    #[command(alias = "api-keys")]
    ApiKey(api_key::ApiKeyArgs),
    /// Send events of tenants to addresses of their own, and see what became of them
    #[command(alias = "webhooks")]
    Webhook(Box<webhook::WebhookArgs>),
    /// Register services of apps, which others call by name, and call them
    #[command(alias = "services")]
    Service(Box<service::ServiceArgs>),
    /// Send notifications, set what they say, and test that mail can be sent
    #[command(alias = "notifications")]
    Notify(notify::NotifyArgs),
    /// Serve the API that apps are built on
    ///
    /// With no settings at all it serves the local stack on a port of this machine. Several processes can
    /// serve the same installation: what one changes, the others know within two seconds.
    #[command(after_help = serve::AFTER_HELP)]
    Serve(serve::ServeArgs),
    /// Run background jobs without serving the API
    ///
    /// `nexus serve` runs them too. Start as many as you like: each job is run by one process.
    #[command(after_help = worker::AFTER_HELP)]
    Worker(worker::WorkerArgs),
    /// List, retry and cancel background jobs
    #[command(alias = "jobs")]
    Job(job::JobArgs),
    /// List, follow and replay what happened in a realm
    #[command(alias = "events")]
    Event(event::EventArgs),
    /// Print the JSON Schema of what commands write with -o json, and the page of the API
    ///
    /// The API answers with the same fields. Without a name, the names are listed.
    Schema(schema::SchemaArgs),
    /// Print a shell's completion script
    Completions(completions::CompletionsArgs),
    /// Write the manual pages
    Man(manual::ManArgs),
    /// Show the version, with what a bug report needs
    Version(version::VersionArgs),
}

/// The commands that only read, by their words. The first Ctrl-C drops them at once, with what they hold
/// open; and beside a name that is not there another customer's may be named.
const READERS: &[&str] = &[
    "api-key list",
    "api-key verify",
    "audit",
    "cluster list",
    "cluster show",
    "custom-field list",
    "custom-field show",
    "group list",
    "group members",
    "group show",
    "group tree",
    "job list",
    "job schedule list",
    "job show",
    "key list",
    "local mail",
    "migrate runs list",
    "migrate runs show",
    "migrate status",
    "notify list",
    "notify preference show",
    "notify provider check",
    "notify provider list",
    "notify show",
    "notify suppress list",
    "notify template list",
    "notify template preview",
    "notify template show",
    "operation list",
    "operation show",
    "operator list",
    "permission list",
    "pool list",
    "role list",
    "role show",
    "secret status",
    "service list",
    "service show",
    "store list",
    "store show",
    "tenant list",
    "tenant show",
    "token list",
    "token verify",
    "user can",
    "user export",
    "user groups",
    "user list",
    "user roles",
    "user sessions list",
    "user show",
    "webhook deliveries",
    "webhook list",
    "webhook show",
];

fn reads(matches: &ArgMatches) -> bool {
    let (mut words, mut matches) = (String::new(), matches);
    while let Some((word, inner)) = matches.subcommand() {
        words.extend([word, " "]);
        matches = inner;
    }
    READERS.iter().any(|reader| words.starts_with(&format!("{reader} ")))
}

/// Parses the command line, runs the command, reports a failure; says how to exit.
#[must_use]
pub fn run(args: &[OsString]) -> Exit {
    crash::install_hook(usage::wants_json(args));
    crash::guard(|| {
        if complete::answer() {
            return Exit::Done;
        }
        if let Some(error) = pasted::refused(args) {
            return usage::refuse(error, args);
        }
        let parsed = grammar().try_get_matches_from(args);
        match parsed.and_then(|matches| Ok((reads(&matches), Cli::from_arg_matches(&matches)?))) {
            Ok((reads, cli)) => perform(cli, reads),
            Err(error) => usage::report(&error, args),
        }
    })
}

fn perform(cli: Cli, reads: bool) -> Exit {
    let screen = output::Screen::new(&cli.global).reading(reads);
    let result = dispatch(cli, &screen);
    exit::conclude(&screen, result)
}

fn dispatch(cli: Cli, screen: &output::Screen) -> CommandResult {
    match &cli.command {
        Command::Completions(args) => return completions::run(args, screen),
        Command::Schema(args) => return schema::run(args, screen),
        Command::Man(args) => return manual::run(args, &cli.global, screen),
        Command::Version(args) => return version::run(args, screen),
        Command::Event(args) if args.is_alone() => return event::run_alone(args, screen),
        _ => {}
    }
    // Wrong settings are one of the things that it looks at.
    if let Command::Doctor(args) = cli.command {
        return doctor::run(args, &cli.global, screen);
    }
    let invocation = Invocation::begin(
        cli.global,
        screen.clone(),
        matches!(cli.command, Command::Serve(_) | Command::Worker(_)),
    )?;
    let ctx = &invocation;
    match cli.command {
        Command::Context(args) => context::run(args, ctx),
        Command::Config(args) => config::run(&args, ctx),
        Command::Local(args) => in_runtime(ctx, local::run(args, ctx)),
        Command::Init(args) => in_runtime(ctx, init::run(args, ctx)),
        Command::Cluster(args) => in_runtime(ctx, cluster::run(args, ctx)),
        Command::Store(args) => in_runtime(ctx, store::run(args, ctx)),
        Command::Pool(args) => in_runtime(ctx, pool::run(args, ctx)),
        Command::Tenant(args) => in_runtime(ctx, tenant::run(args, ctx)),
        Command::Operation(args) => in_runtime(ctx, operation::run(args, ctx)),
        Command::Migrate(args) => in_runtime(ctx, migrate::run(args, ctx)),
        Command::Exec(args) => in_runtime(ctx, exec::run(*args, ctx)),
        Command::Fsck(args) => in_runtime(ctx, fsck::run(args, ctx)),
        Command::User(args) => in_runtime(ctx, user::run(*args, ctx)),
        Command::Role(args) => in_runtime(ctx, role::run(*args, ctx)),
        Command::Permission(args) => in_runtime(ctx, permission::run(args, ctx)),
        Command::Group(args) => in_runtime(ctx, group::run(*args, ctx)),
        Command::CustomField(args) => in_runtime(ctx, custom_field::run(*args, ctx)),
        Command::Iam(args) => in_runtime(ctx, iam::run(args, ctx)),
        Command::Operator(args) => in_runtime(ctx, operator::run(*args, ctx)),
        Command::Secret(args) => in_runtime(ctx, secret::run(args, ctx)),
        Command::Audit(args) => in_runtime(ctx, audit::run(args, ctx)),
        Command::Token(args) => in_runtime(ctx, token::run(args, ctx)),
        Command::Key(args) => in_runtime(ctx, key::run(args, ctx)),
        Command::ApiKey(args) => in_runtime(ctx, api_key::run(args, ctx)),
        Command::Service(args) => in_runtime(ctx, service::run(*args, ctx)),
        Command::Webhook(args) => in_runtime(ctx, webhook::run(*args, ctx)),
        Command::Notify(args) => in_runtime(ctx, notify::run(args, ctx)),
        Command::Serve(args) => {
            let threads = args.workers.map_or_else(processors, usize::from);
            in_runtime_of((threads, serve::STOPPING), ctx, serve::run(args, ctx))
        }
        Command::Worker(args) => in_runtime_of((2, worker::STOPPING), ctx, worker::run(args, ctx)),
        Command::Job(args) => in_runtime(ctx, job::run(args, ctx)),
        // Whoever follows events ends it so: there is nothing to be said.
        Command::Event(args) => in_runtime_of((2, ""), ctx, event::run(args, ctx)),
        Command::Completions(_)
        | Command::Doctor(_)
        | Command::Man(_)
        | Command::Schema(_)
        | Command::Version(_) => Ok(Exit::Done),
    }
}

/// Runs what waits for servers, with Ctrl-C watched. Two threads: the work is mostly waiting.
fn in_runtime(invocation: &Invocation, work: impl Future<Output = CommandResult>) -> CommandResult {
    in_runtime_of((2, interrupt::STOPPING), invocation, work)
}

/// How many processors this process may use.
fn processors() -> usize {
    std::thread::available_parallelism().map_or(2, std::num::NonZeroUsize::get)
}

fn in_runtime_of(
    (threads, stopping): (usize, &'static str),
    invocation: &Invocation,
    work: impl Future<Output = CommandResult>,
) -> CommandResult {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(|source| exit::NoRuntime { source })?;
    let result = runtime.block_on(async {
        let Invocation { interrupt, child_has_terminal, screen, .. } = invocation;
        interrupt::watch(interrupt, child_has_terminal, screen, stopping);
        if invocation.screen.reads() { invocation.reading(work).await } else { work.await }
    });
    // What is still running in the background must not hold up the prompt.
    runtime.shutdown_background();
    result
}

/// The whole grammar, as completions, manual pages and tests want it.
#[must_use]
pub fn grammar() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_only_read_are_commands() {
        for reader in READERS {
            let mut command = grammar();
            for word in reader.split(' ') {
                let found = command.find_subcommand(word);
                command = found.unwrap_or_else(|| panic!("no command {reader}")).clone();
            }
        }
    }

    #[test]
    fn a_command_reads_also_under_another_name() {
        let reads = |words: &str| reads(&grammar().try_get_matches_from(words.split(' ')).unwrap());
        assert!(reads("nexus tenants list") && reads("nexus user sessions list jo@acme.example"));
        assert!(!reads("nexus tenant purge --due"));
    }
}
