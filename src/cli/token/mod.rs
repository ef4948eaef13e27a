//! `nexus token`: access tokens, for whoever needs one, looks at one or takes one back.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use uuid::Uuid;

use super::arguments::{Input, PageArgs};
use super::own_files::ForceArgs;
use super::{CommandResult, Invocation, complete};
use crate::features::iam::Permission;
use crate::features::tenants::TenantRef;
use crate::features::tokens::{Audience, Before, ExtraClaim};
use crate::infra::crypto::signing::Algorithm;
use crate::kernel::{Email, Reason};

mod check;
pub mod input;
mod mint;
mod revoke;
mod views;

/// Arguments of `nexus token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Mint an access token for a user and print it
    ///
    /// Only the token goes to standard output. It can allow less than the user holds, never more.
    /// With --as it names who acts as the user, is valid for at most 15 minutes, and is in the
    /// audit log of both.
    #[command(after_help = "\
EXAMPLES
  nexus token mint --tenant acme --user ann@acme.example
  nexus token mint --tenant acme --user ann@acme.example --ttl 5m --permission invoice:read
  nexus token mint --tenant acme --as ann@acme.example --reason 'ticket 4711'
  nexus token mint --offline --key dev.key --tenant acme --user ann@acme.example
  curl -H @<(printf 'Authorization: Bearer %s' \"$(nexus token mint --user ann@example.com)\") …

For --offline see nexus key export --development.")]
    Mint(Box<MintArgs>),
    /// Exchange a refresh token for an access token
    ///
    /// The file then holds the next refresh token: each can be used once, and using one again ends
    /// the session. If the answer was lost, repeat the command within ten seconds.
    #[command(after_help = "\
EXAMPLES
  nexus token mint --tenant acme --user ann@acme.example --refresh-file session > token.txt
  nexus token refresh --file session > token.txt

Exit code 7: the same token is being exchanged at this moment; repeat the command in a second.")]
    Refresh(RefreshArgs),
    /// Show a token's claims and what is wrong with it
    ///
    /// Nothing in it is trusted. Without --check or --jwks, its signature is not checked.
    #[command(after_help = "\
EXAMPLES
  nexus token mint --user ann@example.com | nexus token inspect
  nexus token inspect --check --file token.txt      why it is refused
  nexus -o json token inspect --file token.txt | jq .problems")]
    Inspect(InspectArgs),
    /// Verify a token; exit 0 only if it is valid
    ///
    /// Prints its claims. Every refusal gives the same answer, as services do; nexus token inspect
    /// --check says why.
    #[command(after_help = "\
EXAMPLES
  nexus token verify --file token.txt
  nexus token verify --aud billing < token.txt
  nexus token verify --jwks keys.json < token.txt                   with no database
  nexus token verify --jwks https://api.example.com/jwks.json --issuer https://api.example.com < token.txt

With --jwks, revocations are not checked.")]
    Verify(VerifyArgs),
    /// List the valid tokens that were minted here
    #[command(after_help = "\
EXAMPLES
  nexus token list --tenant acme
  nexus token list --user ann@acme.example --all-states
  nexus -o id token list --tenant acme | xargs -r -n1 nexus token revoke

Tokens are not stored, only the fact that they were minted. Those minted with --offline are not
recorded at all.")]
    List(ListArgs),
    /// Revoke one token, or all tokens of a user, a tenant or everybody
    ///
    /// Effective everywhere within two seconds. Revoking all tokens of a tenant or of everybody
    /// needs --yes where there is no terminal to ask on.
    #[command(after_help = "\
EXAMPLES
  nexus token revoke 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d
  nexus token revoke --tenant acme --user ann@acme.example
  nexus token revoke --tenant acme --yes                     of everybody at acme
  nexus token revoke --all --yes                             of everybody, everywhere
  nexus token revoke --before 2h --yes                       all that are older than two hours
  nexus token revoke --user ann@example.com                  an operator's")]
    Revoke(RevokeArgs),
}

/// Arguments of `nexus token mint`.
#[derive(Debug, Args)]
pub struct MintArgs {
    /// The user's tenant, by slug or id; without it, the platform's operators
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// For this user
    #[arg(long, value_name = "E-MAIL", required_unless_present = "act_as", add = complete::users())]
    pub user: Option<Email>,
    /// Act as this user
    #[arg(long = "as", value_name = "E-MAIL", requires = "reason", conflicts_with_all = ["user", "offline"], add = complete::users())]
    pub act_as: Option<Email>,
    /// Why, for the audit logs: 4 to 500 characters
    #[arg(long, value_name = "TEXT", requires = "act_as")]
    pub reason: Option<Reason<4>>,
    /// Valid for this long, e.g. 90s, 15m, 1h; at most an hour
    #[arg(long, value_name = "TIME", value_parser = super::arguments::duration)]
    pub ttl: Option<Duration>,
    /// For this audience
    #[arg(long, value_name = "AUDIENCE")]
    pub aud: Option<Audience>,
    /// Limit the token to this permission; may be repeated
    #[arg(long = "permission", value_name = "RESOURCE:ACTION")]
    pub permissions: Vec<Permission>,
    /// Limit the token to this scope; may be repeated
    #[arg(long = "scope", value_name = "RESOURCE:ACTION")]
    pub scopes: Vec<Permission>,
    /// Add this claim; may be repeated
    #[arg(long = "claim", value_name = "NAME=TEXT")]
    pub claims: Vec<ExtraClaim>,
    /// Sign with this algorithm; without it with EdDSA, or with that of the development key
    #[arg(long, value_name = "ALGORITHM", value_parser = input::algorithm())]
    pub algorithm: Option<Algorithm>,
    /// Use no database: sign with an exported development key
    #[arg(long, requires = "key")]
    pub offline: bool,
    /// The development key's file
    #[arg(long, value_name = "FILE", requires = "offline", value_hint = clap::ValueHint::FilePath)]
    pub key: Option<PathBuf>,
    /// Write the token into this file, which only you may read, in place of an older token
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath)]
    pub file: Option<PathBuf>,
    /// Whose file may be overwritten
    #[command(flatten)]
    pub force: ForceArgs,
    /// Also start a session: write its refresh token into this new file, which only you may read
    #[arg(long, value_name = "PATH", conflicts_with_all = ["offline", "act_as"], value_hint = clap::ValueHint::FilePath)]
    pub refresh_file: Option<PathBuf>,
}

/// Arguments of `nexus token refresh`.
#[derive(Debug, Args)]
pub struct RefreshArgs {
    /// The refresh token's file, which only you may read
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub file: PathBuf,
}

/// Where a token is read from.
#[derive(Debug, Args)]
pub struct TokenInput {
    /// Read the token from this file; '-' is standard input
    #[arg(long, value_name = "FILE", default_value = "-", value_hint = clap::ValueHint::FilePath)]
    pub file: Input,
    /// A token on the command line is in the history and can be seen by other users: refused.
    #[arg(hide = true, value_name = "TOKEN", num_args = 0.., allow_hyphen_values = true)]
    pub on_argv: Vec<std::ffi::OsString>,
}

/// Arguments of `nexus token inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// Which token
    #[command(flatten)]
    pub token: TokenInput,
    /// Check its signature, and that it is not revoked, with the control database
    #[arg(long)]
    pub check: bool,
    /// Check its signature with this key set: a file or a URL
    #[arg(long, value_name = "FILE|URL", conflicts_with = "check", value_parser = super::arguments::place)]
    pub jwks: Option<String>,
    /// Expect this audience
    #[arg(long, value_name = "AUDIENCE")]
    pub aud: Option<String>,
    /// Expect this issuer
    #[arg(long, value_name = "ISSUER", requires = "jwks")]
    pub issuer: Option<String>,
}

/// Arguments of `nexus token verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Which token
    #[command(flatten)]
    pub token: TokenInput,
    /// Expect this audience
    #[arg(long, value_name = "AUDIENCE")]
    pub aud: Option<String>,
    /// Check it with this key set, without a database: a file or a URL
    #[arg(long, value_name = "FILE|URL", value_parser = super::arguments::place)]
    pub jwks: Option<String>,
    /// Expect this issuer, where the key set names none
    #[arg(long, value_name = "ISSUER", requires = "jwks")]
    pub issuer: Option<String>,
}

/// Arguments of `nexus token list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only those of this tenant
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// Only those of this user
    #[arg(long, value_name = "E-MAIL", add = complete::users())]
    pub user: Option<Email>,
    /// Include those that are revoked or expired
    #[arg(long)]
    pub all_states: bool,
    /// Which rows
    #[command(flatten)]
    pub page: PageArgs,
}

/// Arguments of `nexus token revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// One token, by its jti
    #[arg(value_name = "JTI", conflicts_with_all = ["tenant", "user", "before"],
          required_unless_present_any = ["tenant", "user", "before", "all"], value_parser = input::jti)]
    pub jti: Option<Uuid>,
    /// All tokens of this tenant
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
    /// All tokens of this user: of the tenant, or without --tenant of the platform
    #[arg(long, value_name = "E-MAIL", add = complete::users())]
    pub user: Option<Email>,
    /// All tokens of everybody: of every tenant and of the platform
    #[arg(long, conflicts_with_all = ["jti", "tenant", "user"])]
    pub all: bool,
    /// Only those issued until then, e.g. 2026-11-21T12:00:00Z, or 2h for two hours ago
    #[arg(long, value_name = "TIME", value_parser = input::past)]
    pub before: Option<Before>,
}

/// Runs a verb of `nexus token`.
///
/// # Errors
/// What the services say.
pub async fn run(args: TokenArgs, ctx: &Invocation) -> CommandResult {
    match args.verb {
        Verb::Mint(args) => mint::run(*args, ctx).await,
        Verb::Refresh(args) => mint::refresh(&args, ctx).await,
        Verb::Inspect(args) => check::inspect(args, ctx).await,
        Verb::Verify(args) => check::verify(args, ctx).await,
        Verb::List(args) => revoke::list(args, ctx).await,
        Verb::Revoke(args) => revoke::revoke(args, ctx).await,
    }
}
