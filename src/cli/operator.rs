//! `nexus operator`: the platform's people in tenants' realms.

use std::time::Duration;

use clap::{ArgGroup, Args, Subcommand};
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::iam::RealmArgs;
use super::output::{Column, Row, Thing, time_text};
use super::{CommandResult, Exit, Invocation, arguments, complete};
use crate::features::iam::operators::{self, NewGrant, OperatorGrant, Until};
use crate::features::iam::{Name, UserRef};
use crate::features::tenants::TenantRef;
use crate::kernel::Reason;

/// Arguments of `nexus operator`.
#[derive(Debug, Args)]
pub struct OperatorArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Give an operator temporary access to a tenant
    ///
    /// Everything that the operator reads or changes there is recorded in that realm's audit log.
    #[command(after_help = "\
EXAMPLES
  nexus operator grant ops@example.com --tenant acme --role Viewer --for 8h --reason 'ticket 4711'
  nexus operator grant ops@example.com --tenant acme --role Admin --until 2026-12-01T00:00:00Z --reason audit")]
    Grant(GrantArgs),
    /// Revoke an operator's access to a tenant
    #[command(after_help = "\
EXAMPLES
  nexus operator revoke ops@example.com --tenant acme")]
    Revoke(RevokeArgs),
    /// List operators' access, to one tenant or to all
    #[command(after_help = "\
EXAMPLES
  nexus operator list
  nexus operator list --tenant acme
  nexus -o json operator list | jq '.[] | select(.state == \"open\")'")]
    List(ListArgs),
}

/// Arguments of `nexus operator grant`.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("end").required(true).args(["until", "duration"]))]
pub struct GrantArgs {
    /// The operator, by e-mail address or id: a user of the platform's realm
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub operator: UserRef,
    /// The tenant
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
    /// The role that they get there
    #[arg(long, value_name = "ROLE", add = complete::roles())]
    pub role: Name,
    /// Until this time (RFC 3339)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub until: Option<OffsetDateTime>,
    /// For this long, from now
    #[arg(long = "for", value_name = "8h|3d", value_parser = arguments::duration)]
    pub duration: Option<Duration>,
    /// The reason, recorded in the tenant's log
    #[arg(long, value_name = "TEXT")]
    pub reason: Reason,
}

/// Arguments of `nexus operator revoke`.
#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// The operator, by e-mail address or id
    #[arg(value_name = "E-MAIL|ID", add = complete::users())]
    pub operator: UserRef,
    /// The tenant
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: TenantRef,
}

/// Arguments of `nexus operator list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Only to this tenant, by its own realm
    #[arg(long, short = 't', value_name = "SLUG|ID", add = complete::tenants())]
    pub tenant: Option<TenantRef>,
}

fn moment(text: &str) -> Result<OffsetDateTime, String> {
    OffsetDateTime::parse(text, &Rfc3339).map_err(|_| "a time is written 2026-12-01T00:00:00Z".to_owned())
}

/// Runs a verb of `nexus operator`.
///
/// # Errors
/// What the services say.
pub async fn run(args: OperatorArgs, ctx: &Invocation) -> CommandResult {
    let caller = ctx.caller();
    match args.verb {
        Verb::Grant(args) => {
            let mut realm = RealmArgs { tenant: Some(args.tenant) }.open(ctx).await?;
            let until = args.until.map(Until::Time).or(args.duration.map(Until::For));
            let Some(until) = until else { return Ok(Exit::Usage) };
            let new = NewGrant { operator: args.operator, role: args.role, until, reason: args.reason };
            let granted = operators::grant(&mut realm, &caller, &new).await?;
            ctx.screen.thing(&GrantView { tenant: realm.place().slug.clone(), granted })?;
        }
        Verb::Revoke(args) => {
            let mut realm = RealmArgs { tenant: Some(args.tenant) }.open(ctx).await?;
            ctx.screen.thing(&operators::revoke(&mut realm, &caller, &args.operator).await?)?;
        }
        Verb::List(args) => {
            let mut realm = RealmArgs { tenant: args.tenant }.open(ctx).await?;
            let slug = realm.place().slug.clone();
            let found = operators::list(&mut realm, &caller).await?;
            let rows = found.into_iter().map(|granted| GrantView { tenant: slug.clone(), granted });
            super::pages::list(ctx, rows.collect(), "operators have access")?;
        }
    }
    Ok(Exit::Done)
}

/// An operator's access.
#[derive(Serialize)]
struct GrantView {
    #[serde(flatten)]
    granted: OperatorGrant,
    /// The tenant's slug, where the list is of one tenant.
    tenant: Option<String>,
}

impl GrantView {
    fn tenant(&self) -> String {
        self.tenant.clone().unwrap_or_else(|| self.granted.tenant_id.to_string())
    }
}

impl Row for GrantView {
    const COLUMNS: &'static [Column] = &[
        Column::text("operator"),
        Column::text("tenant"),
        Column::text("role"),
        Column::text("state"),
        Column::text("expires_at"),
        Column::text("reason"),
        Column::text("granted_by"),
    ];

    fn cells(&self) -> Vec<String> {
        let it = &self.granted;
        vec![
            it.operator.clone(),
            self.tenant(),
            it.role.clone(),
            it.state.clone(),
            time_text(it.expires_at),
            it.reason.clone(),
            it.granted_by.clone(),
        ]
    }

    fn id(&self) -> String {
        self.granted.id.to_string()
    }
}

impl Thing for GrantView {
    fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = vec![("id", self.granted.id.to_string())];
        fields.extend(Self::COLUMNS.iter().map(|column| column.name).zip(self.cells()));
        fields
    }

    fn id(&self) -> String {
        self.granted.id.to_string()
    }
}
