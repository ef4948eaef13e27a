//! `nexus iam`, and what the nouns of a realm share: which realm, and how changes are shown.

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{ArgGroup, Args, Subcommand};

use super::arguments::{Input, set_or_remove};
use super::output::{Column, Row};
use super::text::{self, Most};
use super::{CommandResult, Exit, Invocation, prompt};
use crate::features::iam::apply::{self, Difference, Document};
use crate::features::iam::{self, Currency, Language, Registration, SettingsUpdate, TimeZone};
use crate::kernel::Expected;

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
    /// Show a realm's settings
    #[command(after_help = "\
EXAMPLES
  nexus iam show --tenant acme
  nexus -o json iam show --tenant acme | jq -r .registration")]
    Show(ShowArgs),
    /// Change a realm's settings: who may register, language, currency, time zone
    ///
    /// Users who register through the API confirm their email address first. By default nobody can register.
    /// Language, currency and time zone are for the apps, which find them in their database (nexus.settings).
    #[command(after_help = "\
EXAMPLES
  nexus iam set --language de-AT --currency EUR --time-zone Europe/Vienna --tenant acme
  nexus iam set --no-currency --tenant acme                the realm then has no currency
  nexus iam set --registration open --tenant acme          anybody
  nexus iam set --registration invited --tenant acme       with the token of an invitation
  nexus iam set --registration closed --tenant acme        nobody: users are created")]
    Set(SetArgs),
}

/// Arguments of `nexus iam show`.
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus iam set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("setting").required(true).multiple(true).args(
    ["registration", "language", "no_language", "currency", "no_currency", "time_zone", "no_time_zone"]
))]
pub struct SetArgs {
    /// Who may register by themselves
    #[arg(long, value_name = "WHO", value_parser = who())]
    pub registration: Option<Registration>,
    /// Set the language (BCP 47), e.g. de-AT
    #[arg(long, value_name = "TAG")]
    pub language: Option<Language>,
    /// Remove the language
    #[arg(long, conflicts_with = "language")]
    pub no_language: bool,
    /// Set the currency (ISO 4217), e.g. EUR
    #[arg(long, value_name = "CODE")]
    pub currency: Option<Currency>,
    /// Remove the currency
    #[arg(long, conflicts_with = "currency")]
    pub no_currency: bool,
    /// Set the time zone (IANA), e.g. Europe/Vienna
    #[arg(long, value_name = "ZONE")]
    pub time_zone: Option<TimeZone>,
    /// Remove the time zone
    #[arg(long, conflicts_with = "time_zone")]
    pub no_time_zone: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Those who may register, in words that can be completed.
fn who() -> impl TypedValueParser<Value = Registration> {
    PossibleValuesParser::new(["open", "invited", "closed"]).try_map(|text| text.parse::<Registration>())
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
    match args.verb {
        Verb::Apply(args) => apply_file(&args, ctx).await,
        Verb::Show(args) => {
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&iam::realm_settings(&mut realm, &ctx.caller()).await?)?;
            Ok(Exit::Done)
        }
        Verb::Set(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let change = SettingsUpdate {
                registration: args.registration,
                language: set_or_remove(args.language, args.no_language),
                currency: set_or_remove(args.currency, args.no_currency),
                time_zone: set_or_remove(args.time_zone, args.no_time_zone),
                expected: Expected::Any,
            };
            let (settings, _) = iam::update_settings(&mut realm, &ctx.caller(), &change).await?;
            ctx.screen.thing(&settings)?;
            Ok(Exit::Done)
        }
    }
}

async fn apply_file(args: &ApplyArgs, ctx: &Invocation) -> CommandResult {
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
