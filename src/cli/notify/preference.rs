//! What users want to be told, and when.

use clap::{ArgGroup, Args, Subcommand};

use super::super::arguments::word;
use super::super::iam::RealmArgs;
use super::super::output::thing;
use super::super::{CommandResult, Exit, Invocation};
use crate::features::iam::UserRef;
use crate::features::notifications::{
    self, KindPattern, Preferences, PreferencesChange, QuietHours, QuietHoursView, TimeOfDay,
};
use crate::features::templates::Channel;
use crate::kernel::calendar::Zone;

/// Arguments of `nexus notify preference`.
#[derive(Debug, Args)]
pub(super) struct PreferenceArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Show a user's preferences
    #[command(after_help = "\
EXAMPLES
  nexus notify preference show --user bob@acme.example --tenant acme")]
    Show(ShowArgs),
    /// Switch kinds on or off for a user, or set their quiet hours
    ///
    /// The pattern that names a kind best counts. What concerns the account, such as an invitation or
    /// a changed password, cannot be switched off. In quiet hours mail waits until they end, but for
    /// that of high priority.
    #[command(after_help = "\
EXAMPLES
  nexus notify preference set --user bob@acme.example --off 'app.news.*' --channel email --tenant acme
  nexus notify preference set --user bob@acme.example --quiet-from 22:00 --quiet-to 07:00 \\
      --time-zone Europe/Vienna --tenant acme")]
    Set(Box<SetArgs>),
    /// Remove a user's preferences for kinds, or their quiet hours
    #[command(after_help = "\
EXAMPLES
  nexus notify preference reset --user bob@acme.example --kind 'app.news.*' --channel email --tenant acme
  nexus notify preference reset --user bob@acme.example --quiet-hours --tenant acme")]
    Reset(ResetArgs),
}

/// Arguments of `nexus notify preference show`.
#[derive(Debug, Args)]
pub(super) struct ShowArgs {
    /// Whose
    #[arg(long, value_name = "E-MAIL|ID")]
    pub(super) user: UserRef,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

/// Arguments of `nexus notify preference set`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["on", "off", "quiet_from"]))]
pub(super) struct SetArgs {
    /// Whose
    #[arg(long, value_name = "E-MAIL|ID")]
    pub(super) user: UserRef,
    /// Switch these kinds on, e.g. app.order.*; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(super) on: Vec<KindPattern>,
    /// Switch these kinds off; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(super) off: Vec<KindPattern>,
    /// In this channel [default: in all]
    #[arg(long, value_name = "CHANNEL", value_parser = word(Channel::ALL, Channel::as_str))]
    pub(super) channel: Option<Channel>,
    /// When quiet hours begin, e.g. 22:00
    #[arg(long, value_name = "HH:MM", requires = "quiet_to", requires = "time_zone")]
    pub(super) quiet_from: Option<TimeOfDay>,
    /// When they end; before the beginning: on the next day
    #[arg(long, value_name = "HH:MM", requires = "quiet_from")]
    pub(super) quiet_to: Option<TimeOfDay>,
    /// On the clocks of this time zone, e.g. Europe/Vienna
    #[arg(long, value_name = "ZONE", requires = "quiet_from")]
    pub(super) time_zone: Option<Zone>,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

/// Arguments of `nexus notify preference reset`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("change").required(true).multiple(true).args(["kind", "quiet_hours"]))]
pub(super) struct ResetArgs {
    /// Whose
    #[arg(long, value_name = "E-MAIL|ID")]
    pub(super) user: UserRef,
    /// Forget this pattern; may be repeated
    #[arg(long, value_name = "PATTERN")]
    pub(super) kind: Vec<KindPattern>,
    /// In this channel [default: in all]
    #[arg(long, value_name = "CHANNEL", value_parser = word(Channel::ALL, Channel::as_str))]
    pub(super) channel: Option<Channel>,
    /// Forget the quiet hours
    #[arg(long)]
    pub(super) quiet_hours: bool,
    /// Which realm
    #[command(flatten)]
    pub(super) realm: RealmArgs,
}

pub(super) async fn run(args: PreferenceArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    let (realm, user, change) = match args.verb {
        Verb::Show(args) => {
            let mut realm = args.realm.open(ctx).await?;
            ctx.screen.thing(&notifications::preferences(&mut realm, &caller, &args.user).await?)?;
            return Ok(Exit::Done);
        }
        Verb::Set(args) => {
            let SetArgs { user, on, off, channel, quiet_from, quiet_to, time_zone, realm } = *args;
            let hours = quiet_from.zip(quiet_to).zip(time_zone);
            let quiet = hours.map(|((from, to), zone)| Some(QuietHours { zone, from: from.0, to: to.0 }));
            let kinds =
                on.into_iter().map(|kind| (kind, true)).chain(off.into_iter().map(|kind| (kind, false)));
            let set = kinds.flat_map(|(kind, enabled)| {
                channels(channel).into_iter().map(move |channel| (kind.clone(), channel, enabled))
            });
            let set = set.collect();
            (realm, user, PreferencesChange { set, reset: Vec::new(), quiet_hours: quiet })
        }
        Verb::Reset(args) => {
            let ResetArgs { user, kind, channel, quiet_hours, realm } = args;
            let reset = kind
                .into_iter()
                .flat_map(|kind| channels(channel).into_iter().map(move |channel| (kind.clone(), channel)));
            let reset = reset.collect();
            (
                realm,
                user,
                PreferencesChange { set: Vec::new(), reset, quiet_hours: quiet_hours.then_some(None) },
            )
        }
    };
    let mut realm = realm.open(ctx).await?;
    let after = notifications::set_preferences(&mut realm, &caller, &user, &change).await?;
    if ctx.global.dry_run {
        ctx.screen.note("nothing was done; this is what would be");
    }
    ctx.screen.thing(&after)?;
    Ok(Exit::Done)
}

fn channels(channel: Option<Channel>) -> Vec<Channel> {
    channel.map_or(Channel::ALL.to_vec(), |channel| vec![channel])
}

fn in_words(all: &Preferences) -> String {
    let word = |enabled: bool| if enabled { "on" } else { "off" };
    let one = |it: &notifications::Preference| {
        format!("{} {} {}", it.pattern, it.channel.as_str(), word(it.enabled))
    };
    all.kinds.iter().map(one).collect::<Vec<_>>().join(", ")
}

thing! { it: Preferences, "";
    "kinds": in_words(it),
    "quiet_hours": it.quiet_hours.as_ref().map(hours_in_words),
}

fn hours_in_words(hours: &QuietHoursView) -> String {
    format!("{} to {} {}", hours.from, hours.to, hours.time_zone)
}
