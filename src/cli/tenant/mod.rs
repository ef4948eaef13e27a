//! `nexus tenant`: one customer each, with a database, a bucket and credentials of its own.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::arguments::{self, Input, PageArgs, Sort};
use super::confirm::ConfirmArgs;
use super::output::EnvFormat;
use super::own_files::ForceArgs;
use super::{CommandResult, Invocation, complete};
use crate::features::tenants::{Selector, TenantRef, TenantState};
use crate::kernel::label::{Label, LabelError};
use crate::kernel::{Email, Slug};

mod access;
mod adopt;
mod changed;
pub(super) mod changes;
mod create;
mod delete;
mod facilities;
mod input;
mod look;
mod many;
mod place;
mod profile;
mod prove;
mod purge;
mod rename;
mod repair;
mod resume;
mod selection;
mod suspend;
mod undelete;
mod update;
mod views;

pub use place::PlaceArgs;
pub use profile::{ProfileArgs, ProfileChangeArgs};
pub use selection::TenantSelection;

/// Arguments of `nexus tenant`.
#[derive(Debug, Args)]
pub struct TenantArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
#[expect(clippy::large_enum_variant, reason = "there is one, for a moment")]
enum Verb {
    /// Create a tenant: its database, bucket, credentials and first admin
    ///
    /// Every step is recorded before and after it is done. If it is interrupted, the same command
    /// finishes the work; for a tenant that already exists, it shows that tenant.
    #[command(after_help = "\
EXAMPLES
  nexus tenant create acme --name 'Acme Ltd' --admin-email ann@acme.example
  nexus tenant create acme --label plan=gold --label region=eu
  nexus --dry-run tenant create acme        what would be created
  nexus tenant create acme --cluster eu1    on this server: see nexus cluster list
  nexus tenant create --from tenants.csv --jobs 4

A file for --from is CSV with a header, or JSON lines, with the fields slug, name, admin_email,
labels (in CSV: key=value pairs, separated by semicolons), cluster and store; '-' reads standard
input. If some fail, the others are still created, and the exit code is 6.")]
    Create(Box<CreateArgs>),
    /// Adopt an existing database, keeping its app's login
    ///
    /// The app keeps its login. Nexus adds a bucket with a key, and the tenant's realm in schema
    /// nexus; suspends, resumes and repairs the tenant like any other; and never drops the
    /// database, its roles or its data: a purge removes only what Nexus created. Running the
    /// command again shows the same tenant, and seals the login's password if it has changed.
    #[command(after_help = "\
EXAMPLES
  nexus --dry-run tenant adopt acme --dsn-file acme.dsn     what is checked, and what would be created
  nexus tenant adopt acme --dsn-file acme.dsn --name 'Acme Ltd' --label plan=gold
  pass show pg/acme | nexus tenant adopt acme --dsn-file - --cluster eu1 --isolate

The file holds one line, postgres://user:password@host:port/database, and only you may read it.
Its server must be registered: see nexus cluster add.")]
    Adopt(Box<adopt::AdoptArgs>),
    /// List tenants
    #[command(after_help = "\
EXAMPLES
  nexus tenant list --state active --sort -created
  nexus tenant list --where cluster=eu1,tier=gold,module=crm
  nexus tenant list --where 'slug=ac*,state!=active,created>7d'
  nexus tenant list --search acme
  nexus -o id tenant list --all             every slug, for a script

CONDITIONS
  state=active|deleting     one of these states; 'status' means the same
  cluster=eu1, store=main, slug=acme, name='Acme Ltd'
                            '*' stands for any characters; '!=' for all the others
  created<2026-01-31        before that day (UTC); <=, >, >=, = and != work, too
  created>7d                in the last seven days; 30m, 12h and 4w work, too
  reason='unpaid*'          suspended for this reason; '!=' for another
  suspended>2h              suspended in the last two hours; otherwise like created
  suspended_by=machine:ann  suspended by them; 'by' means the same
  tier=gold|silver          of one of these tiers; segment and business_type alike
  tier!=gold                of another tier, or of none
  module=crm|hr             with one of these modules; '!=' for those with none of them
  label.plan=gold|silver    with the label; 'plan=gold' is short for it
  label.plan!=gold          with another value, or without the label
  label.plan, !label.plan   with the label, without it

A backslash before ',', '|' or '*' makes it an ordinary character. Tenants that are deleted are
listed only with state=trashed, and purged ones only with state=deleted.")]
    List(ListArgs),
    /// Show a tenant
    #[command(after_help = "\
EXAMPLES
  nexus tenant show acme
  nexus -o json tenant show acme | jq -r .id")]
    Show(ShowArgs),
    /// Change a tenant's name, labels, profile and limits
    ///
    /// Each tenant is changed by itself; the exit code is 6 if some failed. Tenants that are so
    /// already are left as they are.
    #[command(after_help = "\
EXAMPLES
  nexus tenant update acme --name 'Acme Ltd' --label plan=gold --unlabel trial
  nexus tenant update acme --tier gold --add-module crm --max-users 100
  nexus tenant update --where tier=trial --max-requests-a-month 10000 --max-storage 1GB
  nexus tenant update --where cluster=eu1 --label region=eu
  nexus --dry-run tenant update --all --unlabel trial       before and after of each
  nexus tenant update acme --advisory-locks allow           for an app that needs them

'nexus tenant list --help' describes the conditions of --where.")]
    Update(UpdateArgs),
    /// Change a tenant's slug
    ///
    /// Its id, its database, its bucket and its credentials stay as they are. For 30 days, commands
    /// that use the old slug name the new one, unless another tenant took the old one.
    #[command(after_help = "\
EXAMPLES
  nexus tenant rename acme apex
  nexus --dry-run tenant rename acme apex")]
    Rename(RenameArgs),
    /// Print the environment that a tenant's app needs
    ///
    /// Secrets are masked, unless --reveal prints them or --file writes them to a file that only
    /// you may read. Either is recorded in the audit log.
    #[command(after_help = "\
EXAMPLES
  nexus tenant env acme                     the names, with secrets masked
  nexus tenant env acme --file .env         a 0600 file
  eval \"$(nexus tenant env acme --format shell --reveal)\"")]
    Env(EnvArgs),
    /// Open psql on a tenant's database, as the tenant's own login
    #[command(after_help = "\
EXAMPLES
  nexus tenant psql acme
  nexus tenant psql acme -- -c 'select current_user'")]
    Psql(PsqlArgs),
    /// Block all access to a tenant
    ///
    /// Its login and its key are refused and its sessions are ended; its data is not changed. nexus
    /// tenant env and psql refuse until it is resumed.
    #[command(after_help = "\
EXAMPLES
  nexus tenant suspend acme --reason 'invoice 17 is not paid'
  nexus tenant suspend --where tier=trial,created<30d --reason 'the trial is over'
  nexus --dry-run tenant suspend --all --reason 'maintenance'       which would be suspended
  nexus tenant suspend --all --reason 'maintenance' --yes --confirm 202      in a script

Tenants that --all and --where select are counted first, and their number must be typed. What one
command changed is a batch: 'nexus operation rollback --batch ID' undoes exactly that.

'nexus tenant list --help' describes the conditions of --where.")]
    Suspend(suspend::SuspendArgs),
    /// Lift a suspension
    #[command(after_help = "\
EXAMPLES
  nexus tenant resume acme
  nexus tenant resume --where state=suspended,tier=gold --jobs 8
  nexus tenant resume --where 'reason=maintenance*,suspended>2h' --yes --confirm 40")]
    Resume(resume::ResumeArgs),
    /// Delete a tenant; it can be undeleted until it is purged
    ///
    /// All access is blocked, and its slug stays taken. How many days it is kept is a setting
    /// (retention_days); until then 'nexus tenant undelete' undeletes it. With --purge it is
    /// destroyed at once. The slug must be typed; a script passes --yes --confirm SLUG. For several
    /// tenants their number must be typed; a script passes --yes --confirm N. If it is interrupted,
    /// the same command finishes the work.
    #[command(after_help = "\
EXAMPLES
  nexus tenant delete acme
  nexus tenant delete acme --yes --confirm acme             in a script
  nexus tenant delete acme --purge                          at once and permanently
  nexus tenant delete acme birch --yes --confirm 2          several: how many
  nexus tenant delete --where tier=trial,suspended<30d
  nexus --dry-run tenant delete acme --purge                what would be destroyed
  nexus tenant list --state trashed                         what can be undeleted")]
    Delete(delete::DeleteArgs),
    /// Undelete a tenant, exactly as it was
    #[command(after_help = "\
EXAMPLES
  nexus tenant undelete acme
  nexus tenant list --state trashed         which can be undeleted")]
    Undelete(undelete::UndeleteArgs),
    /// Permanently destroy deleted tenants past their retention
    ///
    /// Destroys their databases, buckets and credentials. Each tenant is purged by itself; the exit
    /// code is 6 if some failed.
    #[command(after_help = "\
EXAMPLES
  nexus --dry-run tenant purge --due        which would be destroyed
  nexus --yes tenant purge --due --max-failures 3       in a script, once a day")]
    Purge(purge::PurgeArgs),
    /// Compare a tenant with its actual resources, and fix what differs
    ///
    /// Finishes or rolls back what was interrupted, resets credentials that no longer work, and
    /// reports what it found. A second repair changes nothing.
    #[command(after_help = "\
EXAMPLES
  nexus tenant repair acme
  nexus tenant repair --all
  nexus tenant repair --where cluster=eu1
  nexus --dry-run tenant repair --all       what differs")]
    Repair(RepairArgs),
    /// Prove that tenants are isolated from each other
    ///
    /// Each tenant logs in with its own credentials and tries other tenants' databases, roles and
    /// buckets, and the databases that belong to no tenant. The attempts change nothing. A signed
    /// report can be verified without access to any server.
    #[command(after_help = "\
EXAMPLES
  nexus tenant prove --all
  nexus tenant prove acme --pairs 100
  nexus tenant prove --all --report proof.json
  nexus tenant prove --public-key > nexus.pub                 for the auditor, once
  nexus tenant prove --verify proof.json --key nexus.pub

Exit codes: 0 every attempt was refused; 9 an attempt succeeded, or a report was changed; 8 an
attempt had no clear answer.")]
    Prove(Box<prove::ProveArgs>),
}

/// Arguments of `nexus tenant create`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct CreateArgs {
    /// The tenant's slug: 2 to 40 lower-case letters, digits and hyphens; asked for on a terminal
    #[arg(conflicts_with = "from")]
    pub slug: Option<Slug>,
    /// Its display name; without it, the slug
    #[arg(long, conflicts_with = "from", value_parser = arguments::display_name)]
    pub name: Option<String>,
    /// Its first admin's e-mail address
    #[arg(long, value_name = "E-MAIL", conflicts_with = "from")]
    pub admin_email: Option<Email>,
    /// Read the first admin's password from standard input, instead of creating an invitation
    #[arg(long, requires = "admin_email", conflicts_with = "from")]
    pub admin_password_stdin: bool,
    /// Add a label, for selecting tenants; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE", conflicts_with = "from")]
    pub labels: Vec<Label>,
    /// What operators call it, and how much it may use
    #[command(flatten)]
    pub profile: ProfileArgs,
    /// Where it is wanted
    #[command(flatten)]
    pub place: PlaceArgs,
    /// Write the first admin's invitation into this new file, which only you may read
    #[arg(long, value_name = "PATH", requires = "admin_email", conflicts_with_all = ["from", "reveal"], value_hint = clap::ValueHint::FilePath)]
    pub invitation_file: Option<PathBuf>,
    /// Print the first admin's invitation; it is shown only once
    #[arg(long, requires = "admin_email", conflicts_with = "from")]
    pub reveal: bool,
    /// Return when the tenant is active: the default
    #[arg(long, conflicts_with = "detach")]
    pub wait: bool,
    /// Return when the work is recorded; a process in the background does it
    #[arg(long)]
    pub detach: bool,
    /// Create many: a CSV or JSON lines file, or '-' for standard input
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath,
          conflicts_with_all = ["max_users", "max_storage", "max_requests_a_month"])]
    pub from: Option<Input>,
    /// Create this many at once
    #[arg(long, value_name = "N", requires = "from", value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: Option<u16>,
    /// Start no more once this many have failed
    #[arg(long, value_name = "N", requires = "from")]
    pub max_failures: Option<u32>,
}

/// What tenants can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SortField {
    /// The slug
    Slug,
    /// The display name
    Name,
    /// The state
    State,
    /// The time of its creation
    Created,
}

/// Arguments of `nexus tenant list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = arguments::word(TenantState::ALL, TenantState::as_str))]
    pub state: Option<TenantState>,
    /// Only those that meet all these conditions; may be repeated
    #[arg(long = "where", value_name = "KEY=VALUE,…", add = complete::selectors())]
    pub conditions: Vec<Selector>,
    /// Only those with this text in their slug or name
    #[arg(long, value_name = "TEXT", value_parser = arguments::search)]
    pub search: Option<String>,
    /// Sort by this field; with a leading '-', in reverse order
    #[arg(long, value_name = "FIELD", default_value = "slug", allow_hyphen_values = true)]
    pub sort: Sort<SortField>,
    /// Which rows
    #[command(flatten)]
    pub page: PageArgs,
}

/// Arguments of `nexus tenant show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The tenant, by slug or id
    #[arg(value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
}

/// Arguments of `nexus tenant env`.
#[derive(Debug, Args)]
pub struct EnvArgs {
    /// The tenant, by slug or id
    #[arg(value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
    /// The output format
    #[arg(long, value_name = "FORM", default_value = "dotenv")]
    pub format: EnvFormat,
    /// Print secrets unmasked
    #[arg(long, conflicts_with = "file")]
    pub reveal: bool,
    /// Write it, with secrets unmasked, into this file, which only you may read; one that Nexus did
    /// not write is not overwritten
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Whose file may be overwritten
    #[command(flatten)]
    pub force: ForceArgs,
}

/// Arguments of `nexus tenant psql`.
#[derive(Debug, Args)]
pub struct PsqlArgs {
    /// The tenant, by slug or id
    #[arg(value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
    /// Arguments for psql
    #[arg(last = true, value_name = "ARGS")]
    pub args: Vec<OsString>,
}

/// Arguments of `nexus tenant repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// Which
    #[command(flatten)]
    pub tenants: TenantSelection,
}

/// Arguments of `nexus tenant update`.
#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("change").args(["name", "labels", "unlabel", "advisory_locks", "large_objects", "tier", "no_tier", "segment", "no_segment", "business_type", "no_business_type", "add_modules", "remove_modules", "max_users", "max_storage", "max_requests_a_month"]).multiple(true).required(true))]
pub struct UpdateArgs {
    /// Which
    #[command(flatten)]
    pub tenants: TenantSelection,
    /// Its new display name; for one tenant only
    #[arg(long, conflicts_with_all = ["all", "conditions"], value_parser = arguments::display_name)]
    pub name: Option<String>,
    /// Add a label, or change its value; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// Remove a label; may be repeated
    #[arg(long, value_name = "KEY", value_parser = label_key)]
    pub unlabel: Vec<String>,
    /// Whether its login may take advisory locks, which all tenants of a server share
    #[arg(long, value_name = "WORD")]
    pub advisory_locks: Option<Permission>,
    /// Whether its login may make large objects
    #[arg(long, value_name = "WORD")]
    pub large_objects: Option<Permission>,
    /// How many are meant
    #[command(flatten)]
    pub confirm: ConfirmArgs,
    /// What operators call it, and how much it may use
    #[command(flatten)]
    pub profile: ProfileChangeArgs,
}

/// Whether a login may use something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Permission {
    /// Allow it
    Allow,
    /// Deny it: the default
    Deny,
}

/// Arguments of `nexus tenant rename`.
#[derive(Debug, Args)]
pub struct RenameArgs {
    /// The tenant, by slug or id
    #[arg(value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
    /// Its new slug
    #[arg(value_name = "NEW")]
    pub slug: Slug,
}

fn label_key(text: &str) -> Result<String, LabelError> {
    Label::new(text, "").map(|label| label.key)
}

/// Runs a verb of `nexus tenant`.
///
/// # Errors
/// What the services say.
pub async fn run(args: TenantArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Create(args) if args.from.is_some() => many::run(*args, ctx).await,
        Verb::Create(args) => create::run(*args, ctx).await,
        Verb::Adopt(args) => Box::pin(adopt::run(*args, ctx)).await,
        Verb::List(args) => look::list(args, ctx).await,
        Verb::Show(args) => look::show(&args, ctx).await,
        Verb::Update(args) => update::run(args, ctx).await,
        Verb::Rename(args) => rename::run(&args, ctx).await,
        Verb::Env(args) => access::env(&args, ctx).await,
        Verb::Psql(args) => access::psql(args, ctx).await,
        Verb::Suspend(args) => suspend::run(args, ctx).await,
        Verb::Resume(args) => resume::run(args, ctx).await,
        Verb::Delete(args) => delete::run(&args, ctx).await,
        Verb::Undelete(args) => undelete::run(&args, ctx).await,
        Verb::Purge(args) => purge::run(args, ctx).await,
        Verb::Repair(args) => Box::pin(repair::run(args, ctx)).await,
        Verb::Prove(args) => prove::run(*args, ctx).await,
    }
}
