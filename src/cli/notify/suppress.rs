//! Addresses that get no mail.

use clap::{Args, Subcommand};

use super::super::arguments::{PageArgs, word};
use super::super::iam::RealmArgs;
use super::super::output::{row, thing};
use super::super::pages::{self, Found};
use super::super::{CommandResult, Exit, Invocation};
use crate::features::notifications::suppressions::{
    self, NewSuppression, Suppression, SuppressionFilter, SuppressionReason, SuppressionRef, SuppressionScope,
};
use crate::kernel::{Email, Reason};

/// Arguments of `nexus notify suppress`.
#[derive(Debug, Args)]
pub(super) struct SuppressArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// List addresses that get no mail, latest first
    #[command(after_help = "\
EXAMPLES
  nexus notify suppress list --tenant acme
  nexus notify suppress list --address bob@customer.example --tenant acme")]
    List(ListArgs),
    /// Have an address get no mail
    ///
    /// The scope bulk stops notifications of apps, all also messages about the account, such as
    /// invitations. An address whose server says that it has no such mailbox is added by itself.
    #[command(after_help = "\
EXAMPLES
  nexus notify suppress add bob@customer.example --tenant acme
  nexus notify suppress add bob@customer.example --reason complaint --note 'ticket 4711' --tenant acme")]
    Add(AddArgs),
    /// Have an address get mail again
    #[command(after_help = "\
EXAMPLES
  nexus notify suppress remove bob@customer.example --tenant acme")]
    Remove(RemoveArgs),
}

/// Arguments of `nexus notify suppress list`.
#[derive(Debug, Args)]
pub(super) struct ListArgs {
    /// Only those of this address
    #[arg(long, value_name = "E-MAIL")]
    pub(super) address: Option<Email>,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
    /// Which rows
    #[command(flatten)]
    pub(super) page: PageArgs,
}

/// Arguments of `nexus notify suppress add`.
#[derive(Debug, Args)]
pub(super) struct AddArgs {
    /// The address
    #[arg(value_name = "E-MAIL")]
    pub(super) address: Email,
    /// Which mail is stopped [default: bulk for complaint and unsubscribe, else all]
    #[arg(long, value_name = "SCOPE", value_parser = word(SuppressionScope::ALL, SuppressionScope::as_str))]
    pub(super) scope: Option<SuppressionScope>,
    /// Why
    #[arg(
        long, value_name = "REASON", default_value = "manual",
        value_parser = word(SuppressionReason::ALL, SuppressionReason::as_str)
    )]
    pub(super) reason: SuppressionReason,
    /// A note, e.g. the number of a ticket
    #[arg(long, value_name = "TEXT")]
    pub(super) note: Option<Reason>,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

/// Arguments of `nexus notify suppress remove`.
#[derive(Debug, Args)]
pub(super) struct RemoveArgs {
    /// The address
    #[arg(value_name = "E-MAIL")]
    pub(super) address: Email,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

pub(super) async fn run(args: SuppressArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::List(args) => return list(args, ctx).await,
        Verb::Add(AddArgs { address, scope, reason, note, realm }) => {
            let mut realm = realm.open(ctx).await?;
            let new = NewSuppression { address, scope, reason, note };
            let added = suppressions::add(&mut realm, &caller, &new).await?;
            if ctx.global.dry_run {
                ctx.screen.note("nothing was done; this is what would be");
            }
            ctx.screen.thing(&added)?;
        }
        Verb::Remove(args) => {
            let mut realm = args.realm.open(ctx).await?;
            let which = SuppressionRef::Address(args.address);
            let gone = suppressions::remove(&mut realm, &caller, &which).await?;
            if ctx.global.dry_run {
                ctx.screen.note("nothing was done; this is what would be removed");
            }
            pages::list(ctx, gone, "suppressions")?;
        }
    }
    Ok(Exit::Done)
}

async fn list(args: ListArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let mut realm = args.realm.open(ctx).await?;
    let narrowed = args.address.is_some();
    let filter = SuppressionFilter { address: args.address, before: None };
    let written = pages::write(
        ctx,
        args.page.page(&ctx.screen),
        ("suppressions", pages::before(ctx)),
        async |page, after: Option<&Suppression>| {
            let filter = SuppressionFilter { before: after.map(|row| row.id), ..filter.clone() };
            let (rows, _) = suppressions::list(&mut realm, &caller, &filter, page).await?;
            Ok(Found { rows, place: None })
        },
    )
    .await?;
    pages::say_if_empty(ctx, written, if narrowed { "suppressions match" } else { "suppressions" });
    Ok(Exit::Done)
}

row! { it: Suppression, it.address;
    text "id": it.id,
    text "address": it.address,
    text "scope": it.scope.as_str(),
    text "reason": it.reason.as_str(),
    text "created_at": it.created_at,
    sentences "note": it.note,
}

thing! { it: Suppression, it.address;
    "id": it.id,
    "address": it.address,
    "scope": it.scope.as_str(),
    "reason": it.reason.as_str(),
    "note": it.note,
    "created_by": it.created_by,
    "created_at": it.created_at,
}
