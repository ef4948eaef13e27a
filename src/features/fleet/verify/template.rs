//! How a tenant's schema should be: as the template's on its server, which takes no sessions. So a
//! clone of it is looked into once, and what was seen is kept.

use std::collections::BTreeMap;

use sqlx::types::Json;

use super::super::asking::Scope;
use super::super::error::FleetError;
use super::super::scratch::Workshop;
use super::store::{self, FingerprintRow};
use crate::features::migrations::BUILT_IN;
use crate::features::placement::{self, Cluster, Template};
use crate::infra::cluster::{self, Line, Parts};
use crate::infra::db::{DbError, PgConnection, REALM};

/// Of each set the newest version, and how many files: one may have come late, with an older version.
pub(super) type Versions = BTreeMap<String, (i64, i64)>;

/// A template's schema.
pub(super) struct Expected {
    pub(super) versions: Versions,
    /// Of its lines.
    pub(super) digest: String,
    pub(super) lines: Vec<Line>,
    /// What was read how: digests of another make cannot be compared.
    pub(super) recipe: String,
}

/// The schema of the template on a server; the template is built first where there is none.
pub(super) async fn expected(
    reach: Scope<'_>,
    control: &mut PgConnection,
    (cluster, admin): (&Cluster, &mut PgConnection),
) -> Result<Expected, FleetError> {
    let template = placement::template(control, admin, cluster, reach.installation.id).await?;
    let recipe = cluster::recipe(admin).await?;
    let versions = versions(&template);
    let made_of = format!("{versions:?} {recipe}");
    let row = match store::fingerprint(control, &template.database, &made_of).await? {
        Some(row) => row,
        None => read(reach, control, admin, (cluster, &template, &made_of)).await?,
    };
    Ok(Expected { versions, digest: row.digest, lines: row.lines.0, recipe })
}

fn versions(template: &Template) -> Versions {
    let mut versions = template.sets.clone();
    let own = REALM.files().filter(|(version, _)| *version <= template.version).count();
    versions.insert(BUILT_IN.to_owned(), (template.version, i64::try_from(own).unwrap_or(i64::MAX)));
    versions
}

async fn read(
    reach: Scope<'_>,
    control: &mut PgConnection,
    admin: &mut PgConnection,
    (cluster, template, made_of): (&Cluster, &Template, &str),
) -> Result<FingerprintRow, FleetError> {
    let workshop = Workshop::open(reach, control, admin, (cluster, "fingerprint")).await?;
    // Somebody else may have been quicker.
    let row = if let Some(row) = store::fingerprint(control, &template.database, made_of).await? {
        row
    } else {
        let name = workshop.make(control, admin, Some(&template.database)).await?;
        let read = look(cluster, template, &name).await;
        workshop.drop(control, admin, &name).await?;
        let row = read?;
        store::save_fingerprint(control, (&template.database, made_of), &row).await?;
        row
    };
    workshop.close(control).await?;
    Ok(row)
}

async fn look(cluster: &Cluster, template: &Template, clone: &str) -> Result<FingerprintRow, FleetError> {
    let mut inside = cluster.admin.database(clone).connect_reading("nexus:fingerprint").await?;
    let parts = Parts { owner: &template.owner_role, app: "", database: &template.database, adopted: false };
    let (lines, digest) = cluster::schema(&mut inside, parts).await?;
    inside.close().await.map_err(DbError::from)?;
    Ok(FingerprintRow { digest, lines: Json(lines) })
}
