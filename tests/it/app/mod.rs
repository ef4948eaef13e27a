//! One app for many requests: what its pools hold, and how it learns what other processes change.

mod changes;
mod sessions;

use std::time::Duration;

use nexus::app::{App, AppLimits};
use nexus::features::iam::roles;
use nexus::features::tenants::TenantRef;
use nexus::infra::db::PoolLimits;
use nexus::kernel::AnyFailure;
use nexus::kernel::progress::Silent;

use crate::iam::inside::machine;
use crate::support::world::World;

/// An app with room for so many sessions in realms.
async fn load(world: &World, realms: usize) -> App {
    let kept = |sessions, wait| PoolLimits { sessions, wait, idle: Duration::from_mins(1) };
    let limits =
        AppLimits { control: kept(8, Duration::from_secs(10)), realms: kept(realms, Duration::from_secs(5)) };
    App::load(&world.settings(), limits, &machine(), &Silent).await.unwrap().app
}

/// What a request does that reads in a tenant's realm.
async fn read(app: &App, slug: &str) -> Result<(), AnyFailure> {
    let tenant: TenantRef = slug.parse().unwrap();
    let mut realm = app.session().await?.enter_realm(&machine(), Some(&tenant)).await?;
    assert!(!roles::list(&mut realm, &machine()).await?.is_empty());
    Ok(())
}
