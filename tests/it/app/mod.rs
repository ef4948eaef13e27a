//! One app for many requests: what its pools hold, and how it learns what other processes change.

mod changes;
mod sessions;

use std::time::Duration;

use nexus::app::{App, AppLimits};
use nexus::features::iam::roles;
use nexus::features::tenants::{self, TenantRef};
use nexus::infra::db::{PoolLimits, transaction};
use nexus::kernel::AnyFailure;
use nexus::kernel::progress::Silent;

use crate::iam::inside::machine;
use crate::support::world::World;

/// An app with room for so many sessions in realms.
async fn load(world: &World, realms: usize) -> App {
    let kept = |sessions, wait| PoolLimits { sessions, wait, idle: Duration::from_mins(1) };
    let limits = AppLimits {
        control: kept(8, Duration::from_secs(10)),
        realms: kept(realms, Duration::from_secs(5)),
        statement: None,
    };
    App::load(&world.settings(), limits, &machine(), &Silent).await.unwrap().app
}

/// What a request does that reads in a tenant's realm.
async fn read(app: &App, slug: &str) -> Result<(), AnyFailure> {
    let tenant: TenantRef = slug.parse().unwrap();
    let mut realm = app.session().await?.enter_realm(&machine(), Some(&tenant)).await?;
    assert!(!roles::list(&mut realm, &machine()).await?.is_empty());
    Ok(())
}

/// Gives the login of a tenant's apps another password, as whoever changes credentials does: on its server, sealed, and
/// noted in the tenant's row.
pub async fn new_password(world: &World, slug: &str, password: &str) {
    let caller = machine();
    let mut session = App::open(&world.settings(), &caller, &Silent).await.unwrap();
    let tenant = tenants::get(&mut session.control, &caller, &slug.parse().unwrap()).await.unwrap();
    let (role, secrets) = (&tenant.resources.app_role, session.provisioning.secrets.clone());
    world.sql("postgres", &format!("alter role \"{role}\" password '{password}'"));
    let mut tx = transaction(&mut session.control).await.unwrap();
    secrets.put(&mut tx, tenant.id, tenants::sealed::PASSWORD, &password.into()).await.unwrap();
    let noted = format!("update control.tenants set updated_at = now() where id = '{}'", tenant.id);
    sqlx::raw_sql(sqlx::AssertSqlSafe(noted)).execute(&mut *tx).await.unwrap();
    tx.commit().await.unwrap();
}
