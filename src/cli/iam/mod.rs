//! `nexus iam`, and what the nouns of a realm share: which realm, and how changes are shown.

use clap::{Args, Subcommand};

use super::arguments::Input;
use super::output::{Column, Row};
use super::text::{self, Most};
use super::{CommandResult, Exit, Invocation, prompt};
use crate::features::iam::apply::{self, Difference, Document};

mod realm;
mod views;

pub use realm::RealmArgs;
pub(super) use realm::attribute;

/// How much a declaration may be.
const DECLARATION: Most = Most { bytes: 4 << 20, line: 4 << 20 };

/// Arguments of `nexus iam`.
#[derive(Debug, Args)]
pub struct IamArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Apply a file that declares a realm's roles, groups and grants
    ///
    /// Shows the differences, and applies them in one transaction. What the file names becomes as
    /// the file says; what it does not name stays, or is removed with --prune. The roles Admin,
    /// Manager, User and Viewer always stay, and so does the last administrator.
    #[command(after_help = "\
EXAMPLES
  nexus --dry-run iam apply acme.toml --tenant acme          the differences
  nexus --yes iam apply acme.toml --prune --tenant acme

The file is TOML, at most 4 MiB. With --prune, a file without any table is refused.
  [permissions]
  \"invoice:create\" = \"create invoices\"
  [roles.Accountant]
  permissions = [\"invoice:*\", { allow = \"report:read\", when = \"owner\" }]
  [groups.Finance]
  parent = \"Office\"
  roles = [\"Accountant\"]
  members = [\"ann@acme.example\"]
  [grants]
  \"ann@acme.example\" = [\"Manager\"]")]
    Apply(ApplyArgs),
}

/// Arguments of `nexus iam apply`.
#[derive(Debug, Args)]
pub struct ApplyArgs {
    /// The declaration, or '-' for standard input
    #[arg(value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    pub file: Input,
    /// Remove the roles, groups and grants that it does not name
    #[arg(long)]
    pub prune: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Runs a verb of `nexus iam`.
///
/// # Errors
/// What the services say.
pub async fn run(args: IamArgs, ctx: &Invocation) -> CommandResult {
    let Verb::Apply(args) = args.verb;
    let (_, text) = text::read(&args.file, DECLARATION)?;
    let document = Document::parse(&text, args.prune)?;
    if args.prune && !ctx.global.dry_run {
        prompt::confirm(ctx, "removing the roles, groups and grants that the file does not name")?;
    }
    let mut realm = args.realm.open(ctx).await?;
    let found = apply::apply(&mut realm, &ctx.caller(), &document).await?;
    if found.is_empty() {
        ctx.screen.note("the realm already matches the file; nothing was changed");
    }
    ctx.screen.list(found)?;
    Ok(Exit::Done)
}

impl Row for Difference {
    const COLUMNS: &'static [Column] =
        &[Column::text("sign"), Column::text("what"), Column::text("name"), Column::text("detail")];

    fn cells(&self) -> Vec<String> {
        vec![self.sign.to_owned(), self.what.to_owned(), self.name.clone(), self.detail.clone()]
    }

    fn id(&self) -> String {
        self.name.clone()
    }
}
