//! The session in which a tenant is migrated: whose rights it has, that it is a session of the
//! server's own, and what the tenant's histories hold.

use super::files::RunSet;
use super::store::Claimed;
use crate::features::fleet::tenant_failure::TenantFailure;
use crate::infra::cluster::{APP_ROLE, MigratorLogin};
use crate::infra::db::{
    History, HistoryRows, PgConnection, ServerAddress, Who, is_no_history, make_missing, who,
    who_and_histories,
};

/// The schemas that a session looks for names in, as it was told when it began.
const PATH: &str = "pg_catalog,pg_temp";

/// Where, and as whom.
#[derive(Clone, Copy)]
pub(super) struct Acting<'a> {
    /// The tenant's database, as the migration's login.
    pub(super) server: &'a ServerAddress,
    pub(super) login: &'a MigratorLogin,
    pub(super) application: &'a str,
}

/// A session, and what it found.
pub(super) struct Look {
    pub(super) session: PgConnection,
    /// In the order of the sets.
    pub(super) histories: Vec<HistoryRows>,
}

/// Opens a session and reads the histories; those that are not there are made.
pub(super) async fn look(
    acting: Acting<'_>,
    tenant: &Claimed,
    sets: &[RunSet],
) -> Result<Look, TenantFailure> {
    let connected = acting.server.connect_acting(acting.application, &acting.login.owner).await;
    let mut session = connected.map_err(TenantFailure::of_db)?;
    let histories: Vec<&History> = sets.iter().map(|set| &set.history).collect();
    let read = match who_and_histories(&mut session, &histories).await {
        Err(error) if is_no_history(&error) => {
            judge(&who(&mut session).await.map_err(TenantFailure::of_db)?, acting.login)?;
            // Apps may write what their tenants' owners made; not what proves what was made.
            let mut not_writers = vec![APP_ROLE];
            if tenant.adopted && tenant.app_role != tenant.owner_role {
                not_writers.push(&tenant.app_role);
            }
            make_missing(&mut session, &histories, &not_writers).await.map_err(TenantFailure::of_db)?;
            who_and_histories(&mut session, &histories).await
        }
        other => other,
    };
    let (who, histories) = read.map_err(TenantFailure::of_db)?;
    judge(&who, acting.login)?;
    Ok(Look { session, histories })
}

/// Whether it is the session that was asked for. A pooler hands out sessions that others opened.
fn judge(who: &Who, login: &MigratorLogin) -> Result<(), TenantFailure> {
    let is = (&*who.session_user, &*who.current_user, &*who.search_path);
    if is == (&*login.name, &*login.owner, PATH) {
        return Ok(());
    }
    Err(TenantFailure::pooler(&format!(
        "the session is {}'s, acts as {}, and looks names up in {}",
        is.0, is.1, is.2
    )))
}
