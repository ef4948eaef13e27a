//! The inside of tenants' databases, a few at a time.

use futures_util::StreamExt;
use futures_util::stream;

use super::look::Look;
use super::model::{Finding, Observed, Remedy};
use super::whole::{Whole, of_drift};
use crate::features::placement::Cluster;
use crate::infra::cluster::{self, ClusterError, Index, Inside};
use crate::infra::db::{DbError, REALM};
use crate::kernel::{ErrorKind, Failure, Location};

pub(super) async fn look(
    look: &Look<'_>,
    cluster: &Cluster,
    index: &Index<'_>,
    (whole, born_with): (&[Whole<'_>], &[String]),
    jobs: usize,
    place: &Location,
    observed: &mut Observed,
) {
    let wanted = whole.iter().filter(|it| look.goes_into(place, it.tenant.id));
    let looks = wanted.map(|it| async move {
        let mut found = Vec::new();
        if can_enter(index, it) {
            found = of(it, enter(look, cluster, it, born_with).await, place);
            // Where the role itself has too many rights, all questions about its rights say so.
            let role = index.role(&it.tenant.resources.app_role);
            if role.is_some_and(|role| !role.powers.is_empty() || index.is_member(&role.name)) {
                found.retain(|finding| finding.code != "inside_rights_missing");
            }
        }
        look.done(it.tenant);
        found
    });
    let mut looks = stream::iter(looks).buffer_unordered(jobs);
    while let Some(found) = looks.next().await {
        observed.findings.extend(found);
    }
}

/// What cannot be entered has its finding already.
fn can_enter(index: &Index<'_>, it: &Whole<'_>) -> bool {
    let names = &it.tenant.resources;
    index.database(&names.database_name).is_some_and(|database| {
        let ours = it.mark().fits(database.mark.as_deref())
            || database.mark.is_none() && it.mark().fits(database.owner_mark.as_deref());
        ours && database.connectable && database.connection_limit != -2 && database.connection_limit != 0
    }) && index.role(&names.owner_role).is_some()
        && index.role(&names.app_role).is_some()
}

async fn enter(
    look: &Look<'_>,
    cluster: &Cluster,
    it: &Whole<'_>,
    born_with: &[String],
) -> Result<Option<Inside>, ClusterError> {
    if look.stop.is_cancelled() {
        return Ok(None);
    }
    let server = cluster.admin.database(&it.tenant.resources.database_name);
    let mut admin = server.connect("nexus:fsck").await?;
    let inside = cluster::inside(&mut admin, it.database(), REALM, born_with).await;
    let _ = admin.close().await;
    inside.map(Some)
}

/// What is inside, or that it could not be looked at.
fn of(it: &Whole<'_>, inside: Result<Option<Inside>, ClusterError>, place: &Location) -> Vec<Finding> {
    let name = &it.tenant.resources.database_name;
    let new =
        |code, object: String, detail: String| Finding::new(code, Some(it.tenant), place, object, detail);
    let object = format!("database {name}");
    let inside = match inside {
        Ok(Some(inside)) => inside,
        Ok(None) => {
            return vec![new("inside_unreachable", object, "the inspection was stopped".to_owned())];
        }
        // 3D000: it was deleted at this moment; 55000: it takes no sessions any more. The next look
        // finds it so in the catalogue.
        Err(ClusterError::Db(DbError::Refused { ref state, .. })) if state == "3D000" || state == "55000" => {
            return vec![new("inside_unreachable", object, "it was just closed or deleted".to_owned())];
        }
        Err(error) if matches!(error.kind(), ErrorKind::Unavailable | ErrorKind::Busy) => {
            return vec![new("inside_unreachable", object, error.to_string())];
        }
        Err(error) => return vec![new("inside_unreadable", object, error.to_string())],
    };
    let mut found = Vec::new();
    for mut drift in inside.drift {
        drift.object = format!("{} in {name}", drift.object);
        found.push(of_drift(drift, it, place));
    }
    for (code, object) in inside.notices {
        found.push(new(code, format!("{object} in {name}"), "it exists".to_owned()));
    }
    if let Some(version) = inside.version.filter(|version| Some(*version) != it.tenant.schema_version) {
        let row = it.tenant.schema_version.map_or("none".to_owned(), |version| version.to_string());
        let detail = format!("the row says {row}, the database says {version}");
        let history_is_whole = !found.iter().any(|it| it.code == "schema_history");
        let remedy = if history_is_whole { Remedy::Version(version) } else { Remedy::None };
        found.push(new("schema_version", format!("database {name}"), detail).with(remedy));
    }
    found
}
