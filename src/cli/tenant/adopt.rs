//! `nexus tenant adopt`.

use clap::Args;

use super::super::arguments::{self, Input};
use super::super::{CommandResult, Exit, Invocation, complete, secret_input};
use crate::app::App;
use crate::features::provisioning::{AdoptOutcome, AdoptRequest, plan_adopt};
use crate::features::tenants::{NewTenant, Profile};
use crate::infra::db::{ServerAddress, UrlError};
use crate::kernel::label::Label;
use crate::kernel::{AnyFailure, Failure, PlaceName, Slug};

/// Arguments of `nexus tenant adopt`.
#[derive(Debug, Args)]
pub(super) struct AdoptArgs {
    /// The tenant's slug: 2 to 40 lower-case letters, digits and hyphens
    pub slug: Slug,
    /// A file that only you may read, with one line postgres://user:password@host:port/database; '-' for standard input
    #[arg(long, value_name = "FILE|-", value_hint = clap::ValueHint::FilePath)]
    pub dsn_file: Input,
    /// Its display name; without it, the slug
    #[arg(long, value_parser = arguments::display_name)]
    pub name: Option<String>,
    /// Add a label, for selecting tenants; may be repeated
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// The name that its server is registered under; refused if it is on another server
    #[arg(long, value_name = "NAME", add = complete::clusters())]
    pub cluster: Option<PlaceName>,
    /// Place its bucket in this object store
    #[arg(long, value_name = "NAME", add = complete::stores())]
    pub store: Option<PlaceName>,
    /// Revoke PUBLIC's right to connect, so that only logins with a grant of their own can
    #[arg(long)]
    pub isolate: bool,
}

/// The file holds no connection URL.
#[derive(Debug, thiserror::Error, Failure)]
#[error("the connection URL cannot be read: {0}")]
#[failure(Invalid, "dsn_invalid")]
#[hint(
    "write it as postgres://user:password@host:port/database, with ?sslmode=disable, require or \
             verify-full where it is needed, and special characters percent-encoded"
)]
struct NoUrl(UrlError);

pub(super) async fn run(args: AdoptArgs, ctx: &Invocation) -> CommandResult {
    let request = request(args)?;
    let (settings, caller) = (ctx.settings()?, ctx.caller());
    let progress = ctx.screen.progress();
    let (provisioning, worker) = App::open_to_work(&settings, &caller, &progress).await?;
    if ctx.global.dry_run {
        let examined = provisioning.look_at_adoption(&worker, &caller, &request).await;
        drop(progress);
        ctx.screen.list(examined?.map_or_else(Vec::new, |it| plan_adopt(&request, &it)))?;
        return Ok(Exit::Done);
    }
    let adopted = Box::pin(provisioning.adopt(&worker, &caller, &request, &progress, &ctx.interrupt)).await;
    drop(progress);
    let adopted = adopted?;
    for finding in &adopted.findings {
        ctx.screen.note(finding);
    }
    let slug = &adopted.tenant.slug;
    match adopted.outcome {
        AdoptOutcome::Adopted | AdoptOutcome::Finished => {
            ctx.screen.note(&format!("its app's environment: nexus tenant env {slug}"));
        }
        AdoptOutcome::PasswordSealed => ctx.screen.note("sealed the login's new password"),
        AdoptOutcome::Unchanged => {
            ctx.screen.note(&format!("tenant {slug} already exists; nothing was changed"));
        }
    }
    ctx.screen.thing(&adopted)?;
    Ok(Exit::Done)
}

fn request(args: AdoptArgs) -> Result<AdoptRequest, AnyFailure> {
    let what = "the connection URL";
    let url = match &args.dsn_file {
        Input::Stdin => secret_input::line_from_stdin(what)?,
        Input::File(path) => secret_input::line_from_file(path, what)?,
    };
    let login = ServerAddress::from_url(&url).map_err(NoUrl)?;
    let labels = args.labels.into_iter().map(|label| (label.key, label.value)).collect();
    Ok(AdoptRequest {
        tenant: NewTenant {
            slug: args.slug,
            name: args.name,
            admin_email: None,
            labels,
            profile: Profile::default(),
        },
        login,
        cluster: args.cluster.map(|name| name.to_string()),
        store: args.store.map(|name| name.to_string()),
        isolate: args.isolate,
    })
}
