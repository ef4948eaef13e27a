//! The last step of a repair: what the making of a tenant never does, and others did since. It looks
//! at the same facts as an inspection does, and mends each difference by its own statement.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use crate::infra::cluster::{self, Drift, DriftFix, Expected, Index, Scope};
use crate::infra::db::REALM;
use crate::infra::saga::{Probe, Step};

/// Attributes, memberships, settings and rights that the tenant's roles, its database and what is
/// inside should not have.
pub(super) struct ReconcileGrants;

#[async_trait]
impl Step<Plan, ProvisioningError> for ReconcileGrants {
    fn name(&self) -> &'static str {
        "tighten"
    }

    fn after(&self) -> &'static [&'static str] {
        &["privileges"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let outside = outside(plan).await?;
        let drifted_steps = !outside.is_empty() || !inside(plan).await?.is_empty();
        Ok(if drifted_steps { Probe::Absent } else { Probe::Done })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        for statement in outside(plan).await? {
            cluster::fix_tenant(&mut *plan.server.admin.lock().await, plan.database(), &statement).await?;
        }
        for statement in inside(plan).await? {
            plan.inside(async |inside| Ok(cluster::fix(inside, &statement).await?)).await?;
        }
        Ok(())
    }

    /// What was taken away was nobody's by right.
    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}

/// Whether the tenant's logins are let in.
fn open(plan: &Plan) -> bool {
    !plan.tenant.is_closed()
}

async fn outside(plan: &Plan) -> Result<Vec<String>, ProvisioningError> {
    let database = plan.database();
    let names = [database.name, database.owner, database.app];
    let mut admin = plan.server.admin.lock().await;
    let found = cluster::inventory(&mut admin, &plan.on.installation.marks(), Scope::Named(&names)).await?;
    let limit = plan.server.cluster.connection_limit;
    let expected = Expected { database, connection_limit: limit, open: open(plan) };
    Ok(statements(cluster::drift(&Index::of(&found), &expected)))
}

async fn inside(plan: &Plan) -> Result<Vec<String>, ProvisioningError> {
    // Nobody, not even the administrator, enters a database that is closed.
    if !open(plan) {
        return Ok(Vec::new());
    }
    let record_template_sets = &plan.template().await?.carried.public_schema;
    let found = plan
        .inside(async |inside| {
            Ok(cluster::inside(inside, plan.database(), REALM, record_template_sets).await?)
        })
        .await?;
    Ok(statements(found.drift))
}

fn statements(drift: Vec<Drift>) -> Vec<String> {
    let statement = |drift: Drift| match drift.fix {
        DriftFix::Statement(statement) => Some(statement),
        DriftFix::Remake | DriftFix::ByHand => None,
    };
    drift.into_iter().filter_map(statement).collect()
}
