//! A service says that it is there.

use super::error::ServiceError;
use super::model::{ServiceName, ServiceVersion, written};
use super::read::{authorize, of_version};
use super::store;
use super::views::{Service, services};
use crate::features::iam::Realm;
use crate::kernel::Caller;

/// Writes that an address of a realm's own service is there. From then on it is silent, and not called, where it has not
/// said so for 90 seconds. No log tells of it.
///
/// # Errors
/// Without `service:create`; [`ServiceError::NotFound`], [`ServiceError::InstanceNotFound`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn heartbeat(
    realm: &mut Realm,
    caller: &Caller,
    (name, version): (&ServiceName, Option<ServiceVersion>),
    url: &str,
) -> Result<Service, ServiceError> {
    let mut work = realm.look(caller).await?;
    let at = authorize(&mut work, "service:create")?;
    let control = work.control().await?;
    let rows = of_version(store::named(control, &[at.id], name.as_str()).await?, (name, version), at)?;
    let url = written(url);
    let Some(row) = rows.iter().find(|row| row.url == url) else {
        return Err(ServiceError::InstanceNotFound { name: name.to_string(), at: at.hinted() });
    };
    let service = row.id;
    store::note_seen(control, row.instance_id).await?;
    let mut rows = store::named(control, &[at.id], name.as_str()).await?;
    rows.retain(|row| row.id == service);
    work.close().await?;
    let found = services(&rows, Some(at.id)).pop();
    found.ok_or_else(|| ServiceError::not_found(name, at))
}
