//! `nexus user`: the users of a realm.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;

use super::arguments::{self, Input, PageArgs, Sort};
use super::complete;
use super::iam::{RealmArgs, attribute};
use super::{CommandResult, Invocation};
use crate::features::iam::signin::Purpose;
use crate::features::iam::{Name, Permission, UserRef, UserState};
use crate::kernel::{DisplayName, Email};

mod access;
mod change;
mod create;
mod export;
mod input;
mod look;
mod many;
mod password;

/// Said where something is sent by mail.
const MAILED: &str = "the mail goes out as soon as nexus serve or nexus worker runs";

/// Arguments of `nexus user`.
#[derive(Debug, Args)]
pub struct UserArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a user
    ///
    /// They sign in with the password that is given, or with one that they set through an
    /// invitation, which is sent by mail, or shown once.
    #[command(after_help = "\
EXAMPLES
  nexus user create --email ann@acme.example --name 'Ann Ash' --role Manager --mail --tenant acme
  nexus user create --email ann@acme.example --invitation-file ann.txt --tenant acme
  pass show ann | nexus user create --email ann@acme.example --password-stdin --tenant acme
  nexus user create --email ann@example.com --role Admin --password-stdin          an operator of the platform
  nexus user create --from people.csv --invitation-file invitations.csv --tenant acme

A file for --from is CSV with a header, or JSON lines, with the fields email, name, roles, groups (in
CSV: separated by semicolons), profile (a JSON object), password and state; without a password a user
is invited, and with the state disabled they are created disabled. Every line gets a result, and
existing users are left alone; if some fail, the exit code is 6. A line has at most 256 KiB.

If it is interrupted, the same command goes on. The invitations of the users created so far are in
--invitation-file: keep it, and name another file for the rest.")]
    Create(Box<CreateArgs>),
    /// Create a new invitation for a user who has no password yet
    ///
    /// An older invitation no longer works. The new one is sent by mail, or shown once: with
    /// --reveal, or in a file.
    #[command(after_help = "\
EXAMPLES
  nexus user invite ann@acme.example --mail --tenant acme
  nexus user invite ann@acme.example --invitation-file ann.txt --tenant acme")]
    Invite(TokenArgs),
    /// List users
    #[command(after_help = "\
EXAMPLES
  nexus user list --tenant acme
  nexus user list --tenant acme --state locked
  nexus user list --tenant acme --role Admin --sort -last_sign_in
  nexus -o id user list --tenant acme --all          every address, for a script")]
    List(ListArgs),
    /// Show a user
    #[command(after_help = "\
EXAMPLES
  nexus user show ann@acme.example --tenant acme
  nexus -o json user show ann@acme.example --tenant acme | jq -r .id")]
    Show(OneArgs),
    /// Change a user's address, name or profile
    #[command(after_help = "\
EXAMPLES
  nexus user update ann@acme.example --name 'Ann Birch' --tenant acme
  nexus user update ann@acme.example --email ann.birch@acme.example --tenant acme
  nexus user update ann@acme.example --set team=eu --set level=3 --set old=null --tenant acme")]
    Update(UpdateArgs),
    /// Disable a user and end their sessions
    #[command(after_help = "\
EXAMPLES
  nexus user disable ann@acme.example --tenant acme")]
    Disable(OneArgs),
    /// Enable a disabled user
    #[command(after_help = "\
EXAMPLES
  nexus user enable ann@acme.example --tenant acme")]
    Enable(OneArgs),
    /// Unlock a user who was locked after wrong passwords
    #[command(after_help = "\
EXAMPLES
  nexus user unlock ann@acme.example --tenant acme
  nexus -o id user list --state locked --tenant acme | xargs -r -n1 nexus user unlock --tenant acme")]
    Unlock(OneArgs),
    /// Delete a user; they can be undeleted until they are purged
    #[command(after_help = "\
EXAMPLES
  nexus user delete ann@acme.example --tenant acme
  nexus user delete ann@acme.example --tenant acme --yes --confirm ann@acme.example     in a script")]
    Delete(DeleteArgs),
    /// Undelete a user, with their roles, groups and API keys
    #[command(after_help = "\
EXAMPLES
  nexus user list --state deleted --tenant acme
  nexus user undelete ann@acme.example --tenant acme")]
    Undelete(OneArgs),
    /// Erase deleted users past their retention
    ///
    /// Personal data is erased; the id and the audit log stay.
    #[command(after_help = "\
EXAMPLES
  nexus --dry-run user purge --due --tenant acme     who would be erased
  nexus --yes user purge --due --tenant acme")]
    Purge(PurgeArgs),
    /// Export every user, as 'user create --from' reads them; without passwords
    #[command(after_help = "\
EXAMPLES
  nexus user export --tenant acme > people.csv
  nexus user export --format jsonl --tenant acme | nexus user create --from - --tenant birch
  nexus -o json user export --tenant acme          one array, for other programs")]
    Export(export::ExportArgs),
    /// Set passwords, or create tokens that set them
    #[command(subcommand)]
    Password(PasswordVerb),
    /// Manage the second factor: codes of an authenticator app
    #[command(subcommand)]
    Factor(FactorVerb),
    /// List and revoke sessions
    #[command(subcommand)]
    Sessions(SessionsVerb),
    /// List a user's roles, and how they got each
    #[command(after_help = "\
EXAMPLES
  nexus user roles ann@acme.example --tenant acme")]
    Roles(OneArgs),
    /// List a user's groups, and the groups around those
    #[command(after_help = "\
EXAMPLES
  nexus user groups ann@acme.example --tenant acme")]
    Groups(OneArgs),
    /// Check whether a user may do something, and why
    ///
    /// Exits with 0 if they may, with 3 if not.
    #[command(after_help = "\
EXAMPLES
  nexus user can ann@acme.example invoice:create --tenant acme && echo yes
  nexus user can ann@acme.example invoice:delete --explain --tenant acme
  nexus user can ann@acme.example invoice:delete --with owner=ann@acme.example --with state=draft --tenant acme")]
    Can(CanArgs),
}

/// Arguments of `nexus user create`.
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct CreateArgs {
    /// The e-mail address, which identifies the user
    #[arg(long, value_name = "E-MAIL", required_unless_present = "from")]
    pub email: Option<Email>,
    /// The display name
    #[arg(long, value_name = "TEXT", conflicts_with = "from")]
    pub name: Option<DisplayName>,
    /// Grant this role; may be repeated
    #[arg(long = "role", value_name = "ROLE", conflicts_with = "from", add = complete::roles())]
    pub roles: Vec<Name>,
    /// Add to this group; may be repeated
    #[arg(long = "group", value_name = "GROUP", conflicts_with = "from", add = complete::groups())]
    pub groups: Vec<Name>,
    /// Set a field of the profile; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "from", value_parser = attribute)]
    pub profile: Vec<(String, Value)>,
    /// Set a custom field; may be repeated
    #[arg(long = "field", value_name = "NAME=VALUE", conflicts_with = "from", value_parser = attribute)]
    pub fields: Vec<(String, Value)>,
    /// Read the password from standard input: one line
    #[arg(long, conflicts_with_all = ["invite", "from", "mail"])]
    pub password_stdin: bool,
    /// Let the user set their password through an invitation
    #[arg(long, conflicts_with = "from")]
    pub invite: bool,
    /// Send invitations by mail: nexus serve or nexus worker does, as soon as one runs
    #[arg(long, conflicts_with_all = ["invitation_file", "reveal"])]
    pub mail: bool,
    /// Write invitations into this new file, which only you may read
    #[arg(long, value_name = "PATH", conflicts_with_all = ["reveal", "password_stdin"], value_hint = clap::ValueHint::FilePath)]
    pub invitation_file: Option<PathBuf>,
    /// Print invitations; they are shown only once
    #[arg(long, conflicts_with = "password_stdin")]
    pub reveal: bool,
    /// Create many: a CSV or JSON lines file, or '-' for standard input
    #[arg(long, value_name = "FILE|-", conflicts_with = "email", value_hint = clap::ValueHint::FilePath)]
    pub from: Option<Input>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of verbs that make a single-use token.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub user: UserRef,
    /// Send the token by mail: nexus serve or nexus worker does, as soon as one runs
    #[arg(long, conflicts_with_all = ["invitation_file", "reveal"])]
    pub mail: bool,
    /// Write the token into this new file, which only you may read
    #[arg(long, alias = "token-file", value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub invitation_file: Option<PathBuf>,
    /// Print the token; it is shown only once
    #[arg(long, conflicts_with = "invitation_file")]
    pub reveal: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// What users can be sorted by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum SortField {
    /// The e-mail address
    Email,
    /// The display name
    Name,
    /// The time of creation
    Created,
    /// The time of the last sign-in
    LastSignIn,
}

/// Arguments of `nexus user list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those in this state; deleted users are listed only with --state deleted
    #[arg(long, value_name = "STATE", value_parser = arguments::word(UserState::ALL, UserState::as_str))]
    pub state: Option<UserState>,
    /// Only those who hold this role, directly or through a group
    #[arg(long, value_name = "ROLE", add = complete::roles())]
    pub role: Option<Name>,
    /// Only those in this group, or in one inside it
    #[arg(long, value_name = "GROUP", add = complete::groups())]
    pub group: Option<Name>,
    /// Only those with this text in their address or name
    #[arg(long, value_name = "TEXT", value_parser = arguments::search)]
    pub search: Option<String>,
    /// Sort by this field; with a leading '-', in reverse order
    #[arg(long, value_name = "FIELD", default_value = "email", allow_hyphen_values = true)]
    pub sort: Sort<SortField>,
    /// Which rows
    #[command(flatten)]
    pub page: PageArgs,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of verbs about one user.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub user: UserRef,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus user update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub user: UserRef,
    /// The new e-mail address
    #[arg(long, value_name = "E-MAIL", required_unless_present_any = ["name", "profile", "fields"])]
    pub email: Option<Email>,
    /// The new name
    #[arg(long, value_name = "TEXT")]
    pub name: Option<DisplayName>,
    /// Set a field of the profile, or remove it with KEY=null; may be repeated
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = attribute)]
    pub profile: Vec<(String, Value)>,
    /// Set a custom field, or remove its value with NAME=null; may be repeated
    #[arg(long = "field", value_name = "NAME=VALUE", value_parser = attribute)]
    pub fields: Vec<(String, Value)>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus user delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub user: UserRef,
    /// Confirm the user's address, where there is no terminal to type it on
    #[arg(long, value_name = "E-MAIL")]
    pub confirm: Option<String>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus user purge`.
#[derive(Debug, Args)]
pub struct PurgeArgs {
    /// Users past their retention
    #[arg(long, required = true)]
    pub due: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus user can`.
#[derive(Debug, Args)]
pub struct CanArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub user: UserRef,
    /// The permission: resource:action
    #[arg(add = complete::permissions())]
    pub permission: Permission,
    /// An attribute of the object, for conditions; may be repeated
    #[arg(long = "with", value_name = "KEY=VALUE", value_parser = attribute)]
    pub attributes: Vec<(String, Value)>,
    /// Show by which group and role, or the nearest permission
    #[arg(long)]
    pub explain: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Verbs of `nexus user password`.
#[derive(Debug, Subcommand)]
pub enum PasswordVerb {
    /// Set a user's password, and end their sessions
    ///
    /// A token of the user, in --token-file, takes the place of the user's address. API keys stay
    /// valid: nexus api-key list --user E-MAIL shows them.
    #[command(after_help = "\
EXAMPLES
  nexus user password set ann@acme.example --tenant acme          asks for it
  pass show ann | nexus user password set ann@acme.example --password-stdin --tenant acme
  pass show ann | nexus user password set --token-file ann.txt --password-stdin --tenant acme")]
    Set(SetPasswordArgs),
    /// Create a single-use token for setting a user's new password
    ///
    /// An older one no longer works. The new one is sent by mail, or shown once: with --reveal, or in
    /// a file.
    #[command(after_help = "\
EXAMPLES
  nexus user password reset ann@acme.example --mail --tenant acme
  nexus user password reset ann@acme.example --invitation-file ann.txt --tenant acme")]
    Reset(TokenArgs),
}

/// Arguments of `nexus user password set`.
#[derive(Debug, Args)]
pub struct SetPasswordArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", required_unless_present = "token_file", conflicts_with = "token_file", add = complete::users())]
    pub user: Option<UserRef>,
    /// Set it with the single-use token in this file, as the user would
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub token_file: Option<PathBuf>,
    /// Read the password from standard input: one line
    #[arg(long)]
    pub password_stdin: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Verbs of `nexus user factor`.
#[derive(Debug, Subcommand)]
pub enum FactorVerb {
    /// Create a secret for a user's authenticator app; it takes effect once confirmed
    #[command(after_help = "\
EXAMPLES
  nexus user factor enrol ann@acme.example --uri-file ann.uri --tenant acme
  qrencode -t ansiutf8 < ann.uri")]
    Enrol(EnrolArgs),
    /// Confirm it with a first code from standard input; prints the recovery codes, once
    #[command(after_help = "\
EXAMPLES
  echo 123456 | nexus user factor confirm ann@acme.example --codes-file ann.codes --tenant acme")]
    Confirm(ConfirmArgs),
    /// Remove a user's second factor, e.g. because the telephone is lost
    #[command(after_help = "\
EXAMPLES
  nexus user factor remove ann@acme.example --tenant acme")]
    Remove(OneArgs),
}

/// Arguments of `nexus user factor enrol`.
#[derive(Debug, Args)]
pub struct EnrolArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub user: UserRef,
    /// Write the secret's otpauth:// address into this new file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub uri_file: Option<PathBuf>,
    /// Print it; it is shown only once
    #[arg(long, conflicts_with = "uri_file")]
    pub reveal: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Arguments of `nexus user factor confirm`.
#[derive(Debug, Args)]
pub struct ConfirmArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub user: UserRef,
    /// Write the recovery codes into this new file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub codes_file: Option<PathBuf>,
    /// Print them; they are shown only once
    #[arg(long, conflicts_with = "codes_file")]
    pub reveal: bool,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Verbs of `nexus user sessions`.
#[derive(Debug, Subcommand)]
pub enum SessionsVerb {
    /// List a user's sessions, the newest first
    #[command(after_help = "\
EXAMPLES
  nexus user sessions list ann@acme.example --tenant acme")]
    List(OneArgs),
    /// Revoke a user's sessions, all or one
    #[command(after_help = "\
EXAMPLES
  nexus user sessions revoke ann@acme.example --tenant acme
  nexus user sessions revoke --session 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Revoke(RevokeSessionsArgs),
}

/// Arguments of `nexus user sessions revoke`.
#[derive(Debug, Args)]
pub struct RevokeSessionsArgs {
    /// The user, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", required_unless_present = "session", conflicts_with = "session", add = complete::users())]
    pub user: Option<UserRef>,
    /// Revoke this session only
    #[arg(long, value_name = "ID", value_parser = change::session_id)]
    pub session: Option<uuid::Uuid>,
    /// Which realm
    #[command(flatten)]
    pub realm: RealmArgs,
}

/// Runs a verb of `nexus user`.
///
/// # Errors
/// What the services say.
pub async fn run(args: UserArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Create(args) if args.from.is_some() => many::run(*args, ctx).await,
        Verb::Create(args) => create::run(*args, ctx).await,
        Verb::List(args) => look::list(args, ctx).await,
        Verb::Show(args) => look::show(&args, ctx).await,
        Verb::Roles(args) => access::roles(&args, ctx).await,
        Verb::Groups(args) => access::groups(&args, ctx).await,
        Verb::Can(args) => access::can(args, ctx).await,
        Verb::Update(args) => change::update(args, ctx).await,
        Verb::Disable(args) => change::run(change::Change::Disable, &args, ctx).await,
        Verb::Enable(args) => change::run(change::Change::Enable, &args, ctx).await,
        Verb::Unlock(args) => change::run(change::Change::Unlock, &args, ctx).await,
        Verb::Undelete(args) => change::run(change::Change::Undelete, &args, ctx).await,
        Verb::Delete(args) => change::delete(&args, ctx).await,
        Verb::Export(args) => export::run(&args, ctx).await,
        Verb::Purge(args) => change::purge(&args, ctx).await,
        Verb::Password(PasswordVerb::Set(args)) => password::set(&args, ctx).await,
        Verb::Invite(args) => password::token(&args, Purpose::Invite, ctx).await,
        Verb::Password(PasswordVerb::Reset(args)) => password::token(&args, Purpose::Reset, ctx).await,
        Verb::Factor(FactorVerb::Enrol(args)) => password::enrol(&args, ctx).await,
        Verb::Factor(FactorVerb::Confirm(args)) => password::confirm(&args, ctx).await,
        Verb::Factor(FactorVerb::Remove(args)) => password::remove(&args, ctx).await,
        Verb::Sessions(SessionsVerb::List(args)) => look::sessions(&args, ctx).await,
        Verb::Sessions(SessionsVerb::Revoke(args)) => change::revoke_sessions(&args, ctx).await,
    }
}
