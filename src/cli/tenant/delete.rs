//! `nexus tenant delete --purge`.

use super::super::{CommandResult, Exit, Invocation, prompt};
use super::DeleteArgs;
use crate::app::App;
use crate::features::provisioning::plan_purge;
use crate::features::tenants;
use crate::kernel::Slug;

pub(super) async fn run(args: &DeleteArgs, on: &Invocation) -> CommandResult {
    let (settings, caller) = (on.settings()?, on.caller());
    let progress = on.screen.progress();
    let mut app = App::open(&settings, &caller, &progress).await?;
    let tenant = tenants::get(&mut app.control, &caller, &args.tenant).await?;
    let planned = plan_purge(&tenant);
    if on.global.dry_run {
        on.screen.list(planned)?;
        return Ok(Exit::Done);
    }
    let slug: Slug = tenant.slug.parse()?;
    let cluster = app.provisioning.placement.cluster(&mut app.control, &tenant.cluster).await?;
    let server = cluster.admin.host;
    let mut shown = vec![format!(
        "context {}, server {server}, tenant {} ({}):",
        settings.context, tenant.slug, tenant.name
    )];
    shown.extend(planned.iter().map(|step| format!("  {}", step.effect)));
    prompt::confirm_slug(
        on,
        &format!("deleting tenant {slug} for good"),
        &shown,
        &slug,
        args.confirm.as_ref(),
    )?;
    let (provisioning, worker) = app.begin_work().await?;
    let by_id = tenants::TenantRef::Id(tenant.id);
    let deleted = Box::pin(provisioning.purge(&worker, &caller, &by_id, &progress, &on.interrupt)).await;
    drop(progress);
    on.screen.thing(&deleted?)?;
    Ok(Exit::Done)
}
