//! The template from which tenants' databases are cloned, kept at the newest tenant schema.

use std::time::Duration;

use sqlx::PgConnection;
use uuid::Uuid;

use super::error::PlacementError;
use super::registry::Cluster;
use super::store;
use crate::infra::cluster::{Database, build_template, drop_template};
use crate::infra::crypto::random;
use crate::infra::db::{AdvisoryLock, LockKey, REALM};

/// How long to wait for another process that builds the same template.
const PATIENCE: Duration = Duration::from_mins(1);

/// A template that can be cloned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The database.
    pub database: String,
    /// The role that owns what is in it.
    pub owner_role: String,
    /// The version of its schema.
    pub version: i64,
}

/// A server's budget of sessions (`None`: not limited), and the template at the newest version
/// there, if there is one.
///
/// # Errors
/// When the statement fails.
pub async fn known_template(
    control: &mut PgConnection,
    cluster: &str,
) -> Result<(Option<i32>, Option<Template>), PlacementError> {
    let version = REALM.newest();
    let (budget, row) = store::budget_and_template(control, cluster, version).await?;
    let known = row.filter(|row| row.ready);
    let template =
        known.map(|row| Template { database: row.database_name, owner_role: row.owner_role, version });
    Ok((budget, template))
}

/// The template at the newest version on a server; built first where there is none.
///
/// # Errors
/// When the server refuses, or another process does not get done with building it.
pub async fn template(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    cluster: &Cluster,
    installation: Uuid,
) -> Result<Template, PlacementError> {
    let version = REALM.newest();
    if let Some(row) = store::template(control, &cluster.name, version).await?.filter(|row| row.ready) {
        return Ok(Template { database: row.database_name, owner_role: row.owner_role, version });
    }
    let key = LockKey::of("template", format_args!("{}:{version}", cluster.name));
    let lock = AdvisoryLock::wait(control, key, PATIENCE).await?.ok_or(PlacementError::Busy)?;
    let built = build(control, admin, cluster, installation, version).await;
    lock.release(control).await?;
    built
}

async fn build(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    cluster: &Cluster,
    installation: Uuid,
    version: i64,
) -> Result<Template, PlacementError> {
    let row = if let Some(row) = store::template(control, &cluster.name, version).await? {
        row
    } else {
        let name = random::resource_name()?;
        let (database_name, owner_role) = (name.database(), name.owner_role());
        store::plan_template(control, (&cluster.name, version), &database_name, &owner_role).await?;
        store::TemplateRow { database_name, owner_role, ready: false }
    };
    let template = Template { database: row.database_name, owner_role: row.owner_role, version };
    if !row.ready {
        let mark = format!("nexus:{installation}:template");
        let names = Database { name: &template.database, owner: &template.owner_role, app: "", mark: &mark };
        build_template(admin, &cluster.admin, names, REALM).await?;
        store::template_ready(control, &cluster.name, version).await?;
    }
    Ok(template)
}

/// Drops every template of a server, and forgets it.
///
/// # Errors
/// When the server refuses.
pub async fn drop_templates(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    cluster: &str,
    installation: Uuid,
) -> Result<(), PlacementError> {
    let mark = format!("nexus:{installation}:template");
    for row in store::templates(control, cluster).await? {
        let names = Database { name: &row.database_name, owner: &row.owner_role, app: "", mark: &mark };
        drop_template(admin, names).await?;
        store::delete_template(control, &row.database_name).await?;
    }
    Ok(())
}
