//! What `nexus tenant update` lets a tenant's login use, or no longer.

use super::super::Invocation;
use super::{Permission, UpdateArgs};
use crate::app::Session;
use crate::features::provisioning::Facility;
use crate::features::tenants::{self, TenantRef};
use crate::kernel::{AnyFailure, Caller};

/// What was asked for.
pub(super) fn asked(args: &UpdateArgs) -> Vec<(Facility, bool)> {
    let all = [(Facility::AdvisoryLocks, args.advisory_locks), (Facility::LargeObjects, args.large_objects)];
    let given = all.into_iter().filter_map(|(it, word)| Some((it, word? == Permission::Allow)));
    given.collect()
}

/// Does it; whether anything was, or would be, changed.
pub(super) async fn allow(
    app: &mut Session,
    caller: &Caller,
    name: &TenantRef,
    asked: &[(Facility, bool)],
    ctx: &Invocation,
) -> Result<bool, AnyFailure> {
    let mut changed = false;
    for &(facility, allowed) in asked {
        let tenant = tenants::get(&mut app.control, caller, name).await?;
        let dry_run = ctx.global.dry_run;
        let provisioning = app.provisioning.clone();
        if provisioning.allow(&mut app.control, caller, &tenant, (facility, allowed), dry_run).await? {
            changed = true;
            let may = match (dry_run, allowed) {
                (true, true) => "would be allowed to use",
                (true, false) => "would no longer be allowed to use",
                (false, true) => "may use",
                (false, false) => "may no longer use",
            };
            ctx.screen.note(&format!("the login of tenant {} {may} {}", tenant.slug, facility.words()));
        }
    }
    Ok(changed)
}
