//! `nexus webhook`: events of a tenant, sent to addresses of its own.

mod views;

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand};
use time::OffsetDateTime;
use uuid::Uuid;

use super::arguments::{self, word};
use super::complete;
use super::moment::Moment;
use super::pages::{self, Found};
use super::secret_output::{hand_over, new_file};
use super::{CommandResult, Exit, Invocation, hint, prompt};
use crate::app::App;
use crate::features::events::EventType;
use crate::features::iam::Realm;
use crate::features::tenants::TenantRef;
use crate::features::webhooks::{
    self, CreatedWebhook, DeliveryFilter, DeliveryState, EventPattern, EventPatterns, NewWebhook,
    WebhookChange, WebhookDelivery,
};
use crate::infra::handover::Handover;
use crate::kernel::hint::WebhookAction;
use crate::kernel::{AnyFailure, Description, Expected, ExposeSecret, Failure, Hint, WebhookId, suggest};
use views::WithSecret;

/// Arguments of `nexus webhook`.
#[derive(Debug, Args)]
pub struct WebhookArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Create a webhook; its secret is shown once
    ///
    /// From then on, events of the tenant that match are sent to the URL by POST, signed as Standard
    /// Webhooks 1.0.0 has it. The URL must be https with a public name on port 443, unless
    /// outbound.allow_networks names its network. docs/webhooks.md shows how to receive and verify.
    #[command(after_help = "\
EXAMPLES
  nexus webhook create https://hooks.acme.example/nexus --event 'user.*' --file hook.secret --tenant acme
  nexus webhook create https://hooks.acme.example/all --event '*' --key-pair --reveal --tenant acme
  nexus webhook create http://localhost:3000/hook --event order.shipped --reveal --tenant acme   (context local)")]
    Create(CreateArgs),
    /// List webhooks, oldest first
    #[command(after_help = "\
EXAMPLES
  nexus webhook list --tenant acme")]
    List(ListArgs),
    /// Show a webhook, without its secret
    #[command(after_help = "\
EXAMPLES
  nexus webhook show 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Show(OneArgs),
    /// Change a webhook's URL, events, description or key pair
    #[command(after_help = "\
EXAMPLES
  nexus webhook update 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --event 'order.*' --event user.created --tenant acme
  nexus webhook update 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --key-pair --tenant acme")]
    Update(UpdateArgs),
    /// Delete a webhook; waiting deliveries are not sent
    #[command(after_help = "\
EXAMPLES
  nexus webhook delete 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme
  nexus webhook delete 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme --yes --confirm hooks.acme.example")]
    Delete(DeleteArgs),
    /// Give a webhook another secret, which is shown once
    ///
    /// For 24 hours more, what is sent is signed with the secret before it, too: change the receiver
    /// within that time. A second rotation ends the oldest secret at once.
    #[command(after_help = "\
EXAMPLES
  nexus webhook rotate 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --file hook.secret --tenant acme")]
    Rotate(RotateArgs),
    /// Enable a webhook
    ///
    /// Events that happened while it was disabled are not sent by that: see `nexus webhook replay`.
    #[command(after_help = "\
EXAMPLES
  nexus webhook enable 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Enable(OneArgs),
    /// Disable a webhook; waiting deliveries are not sent
    #[command(after_help = "\
EXAMPLES
  nexus webhook disable 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Disable(OneArgs),
    /// Send a test event now and show each step
    ///
    /// Sends one event of type webhook.test and shows each step with its time: the addresses of the
    /// name, the connection, TLS, the request, the answer. Nothing is retried.
    #[command(after_help = "\
EXAMPLES
  nexus webhook test 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme
  nexus -o json webhook test 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme | jq '.steps[] | {step, ms}'

Exit codes: 0 the answer was 2xx, 8 it was not, or there was none.")]
    Test(OneArgs),
    /// List what became of events at a webhook, newest first
    #[command(after_help = "\
EXAMPLES
  nexus webhook deliveries 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --state failed --tenant acme
  nexus -o json webhook deliveries 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme     with the answers")]
    Deliveries(DeliveriesArgs),
    /// Send a delivery again, in any state
    ///
    /// It has the same webhook-id, so that the receiver can recognise a duplicate; the attempts are counted
    /// from 0.
    #[command(after_help = "\
EXAMPLES
  nexus webhook redeliver 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d 0193b2c4-8000-7a1b-9c3d-2f4e5a6b7c8d --tenant acme")]
    Redeliver(RedeliverArgs),
    /// Send again the events that a webhook has not accepted
    ///
    /// Without --since, those since it began to miss events: since its first failure before it was
    /// disabled, or since it was disabled. What it accepted is not sent twice. Events are kept for 7
    /// days; one call sends 10,000 at most and says whether there are more.
    #[command(after_help = "\
EXAMPLES
  nexus webhook replay 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --tenant acme
  nexus webhook replay 0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d --since 2d --tenant acme")]
    Replay(ReplayArgs),
}

/// Which tenant.
#[derive(Debug, Clone, Args)]
pub struct TenantArgs {
    /// Of this tenant, by slug or id
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
}

/// Where a secret goes.
#[derive(Debug, Clone, Args)]
pub struct SecretArgs {
    /// Write the secret into this new file, which only you may read
    #[arg(long, value_name = "PATH", value_hint = clap::ValueHint::FilePath, required_unless_present = "reveal")]
    pub file: Option<PathBuf>,
    /// Print the secret
    #[arg(long, conflicts_with = "file")]
    pub reveal: bool,
}

/// Arguments of `nexus webhook create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Where events are sent
    #[arg(value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub url: String,
    /// Send events of this type; order.* matches every type that begins with order., * all; may be repeated
    #[arg(long = "event", value_name = "TYPE", value_delimiter = ',', required = true)]
    pub events: Vec<EventPattern>,
    /// Its description
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub description: Description,
    /// Sign with an Ed25519 key pair, too, whose public half is shown
    #[arg(long)]
    pub key_pair: bool,
    /// What becomes of the secret
    #[command(flatten)]
    pub secret: SecretArgs,
    /// Which tenant
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// Arguments of `nexus webhook list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Which tenant
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// One webhook.
#[derive(Debug, Args)]
pub struct OneArgs {
    /// The webhook's id
    #[arg(value_name = "WEBHOOK", add = complete::webhooks())]
    pub id: WebhookId,
    /// Which tenant
    #[command(flatten)]
    pub tenant: TenantArgs,
}

/// Arguments of `nexus webhook update`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(
    ["url", "events", "description", "key_pair", "no_key_pair"]
))]
pub struct UpdateArgs {
    /// Which webhook
    #[command(flatten)]
    pub one: OneArgs,
    /// Send events there
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub url: Option<String>,
    /// Replace the types of events; may be repeated
    #[arg(long = "event", value_name = "TYPE", value_delimiter = ',')]
    pub events: Vec<EventPattern>,
    /// Its new description
    #[arg(long, value_name = "TEXT")]
    pub description: Option<Description>,
    /// Sign with an Ed25519 key pair, too
    #[arg(long)]
    pub key_pair: bool,
    /// Delete the key pair
    #[arg(long, conflicts_with = "key_pair")]
    pub no_key_pair: bool,
}

/// Arguments of `nexus webhook delete`.
#[derive(Debug, Args)]
pub struct DeleteArgs {
    /// Which webhook
    #[command(flatten)]
    pub one: OneArgs,
    /// Confirm the host of its URL, where there is no terminal to type it on
    #[arg(long, value_name = "HOST")]
    pub confirm: Option<String>,
}

/// Arguments of `nexus webhook rotate`.
#[derive(Debug, Args)]
pub struct RotateArgs {
    /// Which webhook
    #[command(flatten)]
    pub one: OneArgs,
    /// What becomes of the secret
    #[command(flatten)]
    pub secret: SecretArgs,
}

/// Arguments of `nexus webhook deliveries`.
#[derive(Debug, Args)]
pub struct DeliveriesArgs {
    /// Which webhook
    #[command(flatten)]
    pub one: OneArgs,
    /// Only those in this state
    #[arg(long, value_name = "STATE", value_parser = word(DeliveryState::ALL, DeliveryState::as_str))]
    pub state: Option<DeliveryState>,
    /// Which rows
    #[command(flatten)]
    pub page: arguments::PageArgs,
}

/// Arguments of `nexus webhook redeliver`.
#[derive(Debug, Args)]
pub struct RedeliverArgs {
    /// Which webhook
    #[command(flatten)]
    pub one: OneArgs,
    /// The delivery's id
    #[arg(value_name = "DELIVERY")]
    pub delivery: Uuid,
}

/// Arguments of `nexus webhook replay`.
#[derive(Debug, Args)]
pub struct ReplayArgs {
    /// Which webhook
    #[command(flatten)]
    pub one: OneArgs,
    /// From this time on (RFC 3339), from this day on (UTC), or so long ago: 30m, 2h, 7d; at most 7 days
    #[arg(long, value_name = "TIME|AGO")]
    pub since: Option<Moment>,
}

/// A test event was not taken.
#[derive(Debug, thiserror::Error, Failure)]
#[error("the test event was not delivered: {reason}")]
#[failure(Unavailable, "webhook_test_failed")]
#[details(reason)]
struct NotDelivered {
    reason: String,
}

/// The patterns are too many.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{0}")]
#[failure(Invalid, "webhook_events_invalid")]
struct WrongEvents(String);

/// Runs a verb of `nexus webhook`.
///
/// # Errors
/// What the services say.
pub async fn run(args: WebhookArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::Create(args) => return create(args, ctx).await,
        Verb::Update(args) => return update(args, ctx).await,
        Verb::Delete(args) => return delete(&args, ctx).await,
        Verb::Rotate(args) => return rotate(&args, ctx).await,
        Verb::Test(args) => return test(&args, ctx).await,
        Verb::Deliveries(args) => return deliveries(&args, ctx).await,
        Verb::List(args) => {
            let (_, mut realm) = open(&args.tenant, ctx).await?;
            pages::list(ctx, webhooks::list(&mut realm, &caller).await?, "webhooks")?;
        }
        Verb::Show(args) => {
            let (_, mut realm) = open(&args.tenant, ctx).await?;
            ctx.screen.thing(&webhooks::get(&mut realm, &caller, args.id).await?)?;
        }
        Verb::Enable(args) => {
            let (_, mut realm) = open(&args.tenant, ctx).await?;
            let after = webhooks::enable(&mut realm, &caller, args.id).await?;
            ctx.screen.thing(&after)?;
            if after.missed_since.is_some() {
                let at = realm.place().hinted();
                let hint = Hint::new("to send what it missed", WebhookAction::Replay(args.id, at));
                ctx.screen.note(&hint::sentence(&hint));
            }
        }
        Verb::Disable(args) => {
            let (_, mut realm) = open(&args.tenant, ctx).await?;
            ctx.screen.thing(&webhooks::disable(&mut realm, &caller, args.id).await?)?;
        }
        Verb::Redeliver(args) => {
            let (app, mut realm) = open(&args.one.tenant, ctx).await?;
            let which = (args.one.id, args.delivery);
            let after = webhooks::redeliver(&mut realm, &caller, which).await?;
            drop(realm);
            ctx.wake_workers(&app).await;
            ctx.screen.thing(&after)?;
        }
        Verb::Replay(args) => {
            let since = args.since.map(|since| since.time(OffsetDateTime::now_utc()));
            let (app, mut realm) = open(&args.one.tenant, ctx).await?;
            let done = webhooks::replay(&mut realm, &caller, (args.one.id, since)).await?;
            drop(realm);
            ctx.wake_workers(&app).await;
            ctx.screen.thing(&done)?;
        }
    }
    Ok(Exit::Done)
}

/// Opens the tenant's realm; with `--dry-run`, so that nothing is written.
async fn open(of: &TenantArgs, ctx: &Invocation) -> Result<(App, Realm), AnyFailure> {
    let session = ctx.open(&ctx.screen.progress()).await?;
    let app = session.app.clone();
    let realm = session.enter_realm(&ctx.caller(), Some(&of.tenant)).await?;
    Ok((app, realm.dry_run(ctx.global.dry_run)))
}

fn patterns(all: Vec<EventPattern>) -> Result<EventPatterns, WrongEvents> {
    EventPatterns::new(all).map_err(WrongEvents)
}

/// Says which types Nexus does not publish: a slip of the pen would match nothing, for ever.
fn say_unknown(ctx: &Invocation, events: &[EventPattern]) {
    let names = || EventType::all().iter().map(|kind| kind.name);
    for pattern in events.iter().filter(|pattern| !names().any(|name| pattern.matches(name))) {
        let nearest = suggest::nearest(pattern.as_str(), names());
        let meant = nearest.map(|name| format!("; did you mean {name}?")).unwrap_or_default();
        ctx.screen.note(&format!("Nexus publishes no {pattern}: only an app's events match it{meant}"));
    }
}

async fn create(args: CreateArgs, ctx: &Invocation) -> CommandResult {
    say_unknown(ctx, &args.events);
    let new = NewWebhook {
        url: args.url,
        description: args.description,
        events: patterns(args.events)?,
        with_key_pair: args.key_pair,
    };
    let (app, mut realm) = open(&args.tenant, ctx).await?;
    let outbound = app.outbound();
    // Before there is a secret that would then be lost.
    let file = new_file(ctx, args.secret.file.as_ref())?;
    let made = webhooks::create(&mut realm, &ctx.caller(), outbound.policy(), &new).await?;
    show(ctx, made, (file, args.secret.reveal))
}

async fn rotate(args: &RotateArgs, ctx: &Invocation) -> CommandResult {
    let (_, mut realm) = open(&args.one.tenant, ctx).await?;
    let file = new_file(ctx, args.secret.file.as_ref())?;
    let made = webhooks::rotate(&mut realm, &ctx.caller(), args.one.id).await?;
    show(ctx, made, (file, args.secret.reveal))
}

/// Shows a webhook, and its secret where that is asked for. In a dry run there is none.
fn show(ctx: &Invocation, made: CreatedWebhook, (file, reveal): (Option<Handover>, bool)) -> CommandResult {
    if let Some(file) = file {
        hand_over(ctx, file, &made.secret, "secret is")?;
    }
    let shown = (reveal && !ctx.global.dry_run).then(|| made.secret.expose_secret().to_owned());
    ctx.screen.thing(&WithSecret { view: made.view, secret: shown })?;
    Ok(Exit::Done)
}

async fn update(args: UpdateArgs, ctx: &Invocation) -> CommandResult {
    say_unknown(ctx, &args.events);
    let change = WebhookChange {
        url: args.url,
        description: args.description,
        events: if args.events.is_empty() { None } else { Some(patterns(args.events)?) },
        with_key_pair: args.key_pair.then_some(true).or(args.no_key_pair.then_some(false)),
        expected: Expected::Any,
    };
    let (app, mut realm) = open(&args.one.tenant, ctx).await?;
    let outbound = app.outbound();
    let which = (args.one.id, &change);
    ctx.screen.thing(&webhooks::update(&mut realm, &ctx.caller(), outbound.policy(), which).await?)?;
    Ok(Exit::Done)
}

async fn delete(args: &DeleteArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let (app, mut realm) = open(&args.one.tenant, ctx).await?;
    let found = webhooks::get(&mut realm, &caller, args.one.id).await?;
    if !ctx.global.dry_run {
        let host = app.outbound().policy().host_of(&found.url);
        let shown = format!("{} gets no events any more", found.url);
        prompt::confirm_word(ctx, "deleting a webhook", &[shown], &host, args.confirm.as_deref())?;
    }
    ctx.screen.thing(&webhooks::delete(&mut realm, &caller, args.one.id, &Expected::Any).await?)?;
    Ok(Exit::Done)
}

async fn test(args: &OneArgs, ctx: &Invocation) -> CommandResult {
    let (app, mut realm) = open(&args.tenant, ctx).await?;
    if ctx.global.dry_run {
        let found = webhooks::get(&mut realm, &ctx.caller(), args.id).await?;
        ctx.screen.note(&format!("a test event would be sent to {}; nothing was done", found.url));
        return Ok(Exit::Done);
    }
    let outbound = app.outbound();
    let caller = ctx.caller();
    let test = ctx.reading(webhooks::test(&mut realm, &caller, &outbound, args.id)).await?;
    ctx.screen.thing(&test)?;
    match test.error {
        None => Ok(Exit::Done),
        Some(reason) => Err(NotDelivered { reason }.into()),
    }
}

async fn deliveries(args: &DeliveriesArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let (_, mut realm) = open(&args.one.tenant, ctx).await?;
    let filter = DeliveryFilter { state: args.state, ..DeliveryFilter::of(args.one.id) };
    let written = pages::write(
        ctx,
        args.page.page(&ctx.screen),
        ("deliveries", pages::before(ctx)),
        async |page, after: Option<&WebhookDelivery>| {
            let filter = DeliveryFilter { before: after.map(|row| row.id), ..filter.clone() };
            let rows = webhooks::deliveries(&mut realm, &caller, &filter, page).await?;
            Ok(Found { rows, place: None })
        },
    )
    .await?;
    pages::say_if_empty(ctx, written, if args.state.is_some() { "deliveries match" } else { "deliveries" });
    Ok(Exit::Done)
}
