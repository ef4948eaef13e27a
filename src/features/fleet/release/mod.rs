//! What new tenants are born with follows what the fleet has: once nobody lacks a file, it is
//! released, and the templates are built anew.

mod store;

use serde_json::json;

use super::engine::Fleet;
use super::error::FleetError;
use super::model::Plan;
use super::plan::Planned;
use super::runs;
use crate::features::migrations::BUILT_IN;
use crate::features::placement::{Sessions, refresh_templates, templates_are_current};
use crate::infra::db::{PgConnection, transaction};
use crate::kernel::{Event, Progress};

impl Fleet {
    /// Releases the files of those sets that nobody lacks, and builds the templates that follow, in sessions
    /// that are open already where there are any.
    /// Where nothing is new nothing is done.
    pub(super) async fn release(
        &self,
        control: &mut PgConnection,
        plan: &Plan,
        (admins, progress): (Sessions, &dyn Progress),
    ) -> Result<(), FleetError> {
        let (sets, files) = operators(plan);
        let released = store::release(control, &sets, &files).await?;
        // A process that died may have released them and built no template, or half of one.
        if released.is_empty() && templates_are_current(control).await? {
            return Ok(());
        }
        match self.rebuild(control, admins, progress).await {
            // What a template cannot have nobody is to be born with.
            Err(FleetError::Placement(source)) if !released.is_empty() => {
                store::withdraw(control, &json!(released)).await?;
                Err(FleetError::Template { source })
            }
            other => other,
        }
    }

    /// The same where no run was needed: e.g. there is no tenant yet.
    pub(super) async fn release_what_is_due(
        &self,
        control: &mut PgConnection,
        planned: &Planned,
        progress: &dyn Progress,
    ) -> Result<(), FleetError> {
        let (sets, files) = operators(&planned.plan);
        if store::unreleased(control, &sets, &files).await? == 0 && templates_are_current(control).await? {
            return Ok(());
        }
        let mut tx = transaction(control).await?;
        runs::store::keep_files(&mut tx, &planned.sets).await?;
        tx.commit().await?;
        self.release(control, &planned.plan, (Sessions::new(), progress)).await
    }

    /// What was taken back is what new tenants are born without.
    pub(super) async fn withdraw_release(
        &self,
        control: &mut PgConnection,
        plan: &Plan,
        (admins, progress): (Sessions, &dyn Progress),
    ) -> Result<(), FleetError> {
        let files: Vec<_> = plan.files.iter().filter(|file| file.pending).collect();
        if store::withdraw(control, &json!(files)).await? > 0 {
            self.rebuild(control, admins, progress).await?;
        }
        Ok(())
    }

    async fn rebuild(
        &self,
        control: &mut PgConnection,
        admins: Sessions,
        progress: &dyn Progress,
    ) -> Result<(), FleetError> {
        progress.event(Event::Note("rebuilding the template for new tenants".to_owned()));
        refresh_templates(control, &self.placement, self.installation.id, admins).await?;
        Ok(())
    }
}

/// The sets and files of a plan that are not Nexus's own: what those of Nexus's own are is part of
/// the program.
fn operators(plan: &Plan) -> (serde_json::Value, serde_json::Value) {
    let sets: Vec<_> = plan.sets.iter().filter(|set| set.name != BUILT_IN).collect();
    let files: Vec<_> = plan.files.iter().filter(|file| file.set != BUILT_IN).collect();
    (json!(sets), json!(files))
}
