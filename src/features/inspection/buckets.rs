//! One object store: its buckets and keys against the rows of the tenants that are placed there.

use std::collections::{HashMap, HashSet};

use super::error::InspectionError;
use super::expectation::Expectation;
use super::look::{Changing, Look};
use super::model::{Finding, Observed, Remedy};
use super::record;
use super::unmanaged::{orphan, told_by};
use crate::features::placement::{PlacementError, Store, StoreView};
use crate::features::tenants::{Selector, Tenant};
use crate::infra::db::PgConnection;
use crate::infra::objects::{FoundKey, ObjectError, Owner, StoreInventory};
use crate::kernel::text::counted;
use crate::kernel::{ErrorKind, Failure, Location};

struct At<'a> {
    look: &'a Look<'a>,
    store: &'a Store,
    place: &'a Location,
}

/// Looks at a store.
pub(super) async fn look(
    look: &Look<'_>,
    control: &mut PgConnection,
    view: &StoreView,
) -> Result<Observed, InspectionError> {
    let place = Location::Store(view.name.clone());
    let (store, found, world) = match ask(look, control, &view.name).await {
        Ok(asked) => asked,
        Err(error) => {
            let not_asked = |code| Finding::new(code, None, &place, place.to_string(), error.to_string());
            let mut findings = vec![not_asked("store_unreachable")];
            if error.kind() == ErrorKind::Integrity {
                findings.push(not_asked("place_credentials"));
            }
            return Ok(Observed { findings, ..Observed::default() });
        }
    };
    let changing = look.changing(control).await?;
    let rows = look.rows(control, Selector::store(&view.name)).await?;
    let at = At { look, store: &store, place: &place };
    let mut observed = at.tenants(&rows, &changing, &found).await;
    observed.tenants.insert(place.clone(), 0);
    record::age(control, &place, world, &mut observed).await?;
    if store.shared_key && rows.len() > 1 {
        let detail = counted(rows.len(), "tenant");
        observed.findings.push(Finding::new("store_shared_key", None, &place, place.to_string(), detail));
    }
    if look.whole_stores() {
        observed.findings.extend(at.orphans(control, &rows, &changing, &found).await?);
    }
    Ok(observed)
}

async fn ask(
    look: &Look<'_>,
    control: &mut PgConnection,
    name: &str,
) -> Result<(Store, StoreInventory, i64), PlacementError> {
    let store = look.on.placement.store(control, name).await?;
    let world = store.driver.high_water(&look.on.installation.marks()).await?;
    let found = store.driver.inventory(&look.on.installation.marks()).await?;
    Ok((store, found, world))
}

impl At<'_> {
    async fn tenants(&self, rows: &[Tenant], changing: &Changing, found: &StoreInventory) -> Observed {
        let buckets: HashMap<&str, &str> =
            found.buckets.iter().map(|it| (it.name.as_str(), it.mark.as_str())).collect();
        let mut keys: HashMap<&str, Vec<&FoundKey>> = HashMap::new();
        for key in &found.keys {
            keys.entry(&key.mark).or_default().push(key);
        }
        let mut observed = Observed::default();
        for tenant in rows.iter().filter(|tenant| !changing.contains_key(&tenant.id)) {
            let Expectation::Whole { open } = Expectation::of(tenant.state) else { continue };
            let mark = self.look.on.installation.mark(tenant.id);
            let mut missing = None;
            if buckets.get(&*tenant.resources.bucket) != Some(&&*mark) {
                match self.bucket(tenant, &mark).await {
                    Ok(finding) => missing = finding,
                    Err(unseen) => observed.findings.push(unseen),
                }
            }
            if !self.store.shared_key {
                let held = keys.get(&*mark).map_or(&[][..], Vec::as_slice);
                // Where the bucket is gone or has another name, the key may say so, too.
                let own = |name: &String| buckets.get(name.as_str()) == Some(&&*mark);
                let fits = |reached: &[String]| {
                    reached == [tenant.resources.bucket.as_str()]
                        || missing.is_some() && reached.iter().all(own)
                };
                observed.findings.extend(self.keys(tenant, held, open, fits));
            }
            observed.findings.extend(missing);
            observed.findings.extend(self.unmanaged(tenant, found));
        }
        observed
    }

    /// Keys that Nexus did not make and that can touch the tenant's bucket.
    fn unmanaged(&self, tenant: &Tenant, found: &StoreInventory) -> Vec<Finding> {
        let here = |key: &&FoundKey| key.buckets.contains(&tenant.resources.bucket);
        let told = |key: &FoundKey| {
            let (object, detail) =
                (format!("key {}", key.access_key_id), format!("its name is {:?}", key.mark));
            Finding::new("bucket_foreign_key", Some(tenant), self.place, object, detail)
        };
        found.unmanaged.iter().filter(here).map(told).collect()
    }

    /// A bucket that the inventory does not have as the tenant's: gone, or somebody else's.
    async fn bucket(&self, tenant: &Tenant, mark: &str) -> Result<Option<Finding>, Finding> {
        let owner = Owner { mark: mark.to_owned(), fence: 0 };
        let object = format!("bucket {}", tenant.resources.bucket);
        let new = |code, detail: String| Finding::new(code, Some(tenant), self.place, &*object, detail);
        match self.store.driver.has_bucket(&tenant.resources.bucket, &owner).await {
            Ok(true) => Ok(None),
            Ok(false) => Ok(Some(new("bucket_missing", "it is not in the store".to_owned()))),
            Err(ObjectError::Foreign { .. }) => {
                Ok(Some(new("bucket_foreign", "it does not have this tenant's mark".to_owned())))
            }
            Err(error) => Err(new("bucket_unreachable", error.to_string())),
        }
    }

    fn keys(
        &self,
        tenant: &Tenant,
        held: &[&FoundKey],
        open: bool,
        fits: impl Fn(&[String]) -> bool,
    ) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut add = |code, id: &str, detail: String, remedy: Remedy| {
            let finding = Finding::new(code, Some(tenant), self.place, format!("key {id}"), detail);
            findings.push(if remedy == Remedy::None { finding } else { finding.with(remedy) });
        };
        let bucket = &tenant.resources.bucket;
        let own = tenant.access_key_id.as_deref().unwrap_or("none");
        for key in held {
            let id = key.access_key_id.as_str();
            if id != own {
                let detail = format!("the tenant's own key is {own}");
                add("key_extra", id, detail, Remedy::DeleteKey(id.to_owned()));
                continue;
            }
            if !fits(&key.buckets) {
                let detail = format!("it reaches {:?}", key.buckets);
                add("key_scope", id, detail, Remedy::ReplaceKey(id.to_owned()));
            }
            if key.enabled != open {
                let code = if open { "key_disabled" } else { "key_enabled" };
                let remedy = Remedy::SwitchKey { id: id.to_owned(), bucket: bucket.clone(), enabled: open };
                add(code, id, format!("the tenant is {}", tenant.state.as_str()), remedy);
            }
        }
        if !held.iter().any(|key| key.access_key_id == own) {
            add("key_missing", own, "it is not in the store".to_owned(), Remedy::None);
        }
        findings
    }

    async fn orphans(
        &self,
        control: &mut PgConnection,
        rows: &[Tenant],
        changing: &Changing,
        found: &StoreInventory,
    ) -> Result<Vec<Finding>, InspectionError> {
        let names: HashSet<&str> = rows.iter().map(|tenant| tenant.resources.bucket.as_str()).collect();
        let marks: HashSet<String> =
            rows.iter().map(|tenant| self.look.on.installation.mark(tenant.id)).collect();
        let found_names: HashSet<&str> = found.buckets.iter().map(|bucket| bucket.name.as_str()).collect();
        // Tenants whose bucket is gone: one of another name with their mark may be that bucket.
        let bereft = rows.iter().filter(|tenant| !found_names.contains(&*tenant.resources.bucket));
        let bereft: HashSet<String> = bereft.map(|it| self.look.on.installation.mark(it.id)).collect();
        let mut findings = Vec::new();
        for bucket in found.buckets.iter().filter(|bucket| !names.contains(&*bucket.name)) {
            let code = if bereft.contains(&bucket.mark) { "bucket_renamed" } else { "orphan_bucket" };
            let finding = Finding::new(code, None, self.place, format!("bucket {}", bucket.name), "");
            let Some(finding) = orphan(control, changing, finding, told_by(&bucket.mark)).await? else {
                continue;
            };
            let remedy = Remedy::DropBucket { name: bucket.name.clone(), mark: bucket.mark.clone() };
            findings.push(if code == "orphan_bucket" { finding.with(remedy) } else { finding });
        }
        // A further key of a tenant that is there is told with the tenant.
        for key in found.keys.iter().filter(|key| !marks.contains(&key.mark)) {
            let finding =
                Finding::new("orphan_key", None, self.place, format!("key {}", key.access_key_id), "");
            let finding = orphan(control, changing, finding, told_by(&key.mark)).await?;
            let remedy = Remedy::DropKey { id: key.access_key_id.clone(), mark: key.mark.clone() };
            findings.extend(finding.map(|finding| finding.with(remedy)));
        }
        Ok(findings)
    }
}
