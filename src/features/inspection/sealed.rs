//! Sealed credentials: that they open, and that the logins' passwords are the sealed ones.

use futures_util::StreamExt;
use futures_util::stream;
use secrecy::{ExposeSecret, SecretString};

use super::error::InspectionError;
use super::look::Look;
use super::model::Finding;
use super::whole::Whole;
use crate::features::tenants::sealed::{KEY, PASSWORD};
use crate::infra::cluster::Index;
use crate::infra::crypto::scram;
use crate::infra::db::PgConnection;
use crate::kernel::{Location, TenantId};

/// How many tenants' secrets are open at a time.
const BATCH: usize = 200;

pub(super) async fn look(
    look: &Look<'_>,
    control: &mut PgConnection,
    index: &Index<'_>,
    whole: &[Whole<'_>],
    place: &Location,
    found: &mut Vec<Finding>,
) -> Result<(), InspectionError> {
    let wanted: Vec<&Whole<'_>> = whole.iter().filter(|it| look.goes_into(place, it.tenant.id)).collect();
    for batch in wanted.chunks(BATCH) {
        let ids: Vec<TenantId> = batch.iter().map(|it| it.tenant.id).collect();
        let mut opened = look.on.secrets.get_all_of(control, &ids).await?;
        let mut checks = Vec::new();
        for it in batch {
            let mut add = |code, detail: String| {
                found.push(Finding::new(
                    code,
                    Some(it.tenant),
                    &Location::Control,
                    "its sealed credentials",
                    detail,
                ));
            };
            let mut values = match opened.remove(&it.tenant.id) {
                None => {
                    add("sealed_missing", "nothing is sealed for it".to_owned());
                    continue;
                }
                Some(Err(error)) => {
                    add("sealed_damaged", error.to_string());
                    continue;
                }
                Some(Ok(values)) => values,
            };
            if !values.contains_key(KEY) {
                add("sealed_missing", "the secret half of its key is not sealed".to_owned());
            }
            let Some(password) = values.remove(PASSWORD) else {
                add("sealed_missing", "its password is not sealed".to_owned());
                continue;
            };
            let role = index.role(&it.tenant.resources.app_role);
            if let Some(role) = role.filter(|role| it.mark().fits(role.mark.as_deref())) {
                checks.push((*it, role.verifier.0.clone(), password));
            }
        }
        let fits = checks
            .into_iter()
            .map(|(it, verifier, password)| async move { (it, fits(verifier, password).await) });
        let mut fits = stream::iter(fits).buffer_unordered(look.request.jobs.max(1));
        while let Some((it, fits)) = fits.next().await {
            if !fits {
                let object = format!("role {}", it.tenant.resources.app_role);
                let detail = "its verifier is not that of the sealed password";
                found.push(Finding::new("role_password", Some(it.tenant), place, object, detail));
            }
        }
    }
    Ok(())
}

/// Thousands of rounds: not on a thread that others wait for.
async fn fits(verifier: Option<SecretString>, password: SecretString) -> bool {
    let check = move || verifier.is_some_and(|it| scram::verify(it.expose_secret(), &password));
    tokio::task::spawn_blocking(check).await.unwrap_or(false)
}
