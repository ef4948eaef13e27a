//! One object store: its buckets and keys against the rows of the tenants that are placed there.

use std::collections::{HashMap, HashSet};

use super::error::InspectionError;
use super::expectation::Expectation;
use super::look::{Changing, Look};
use super::model::{Finding, Place, Remedy};
use super::strangers::orphan;
use crate::features::placement::{PlacementError, Store, StoreView};
use crate::features::tenants::{Selector, Tenant};
use crate::infra::db::PgConnection;
use crate::infra::objects::{FoundKey, ObjectError, Owner, StoreInventory};

struct At<'a> {
    look: &'a Look<'a>,
    store: &'a Store,
    place: &'a Place,
}

/// Looks at a store.
pub(super) async fn look(
    look: &Look<'_>,
    control: &mut PgConnection,
    view: &StoreView,
) -> Result<Vec<Finding>, InspectionError> {
    let place = Place::Store(view.name.clone());
    let (store, found) = match ask(look, control, &view.name).await {
        Ok(asked) => asked,
        Err(error) => {
            let detail = error.to_string();
            return Ok(vec![Finding::new("store_unreachable", None, &place, place.to_string(), detail)]);
        }
    };
    let changing = look.changing(control).await?;
    let rows = look.rows(control, Selector::store(&view.name)).await?;
    let at = At { look, store: &store, place: &place };
    let mut findings = at.tenants(&rows, &changing, &found).await;
    if store.shared_key && rows.len() > 1 {
        let detail = format!("{} tenants", rows.len());
        findings.push(Finding::new("store_shared_key", None, &place, place.to_string(), detail));
    }
    if look.whole_stores() {
        findings.extend(at.orphans(control, &rows, &changing, &found).await?);
    }
    Ok(findings)
}

async fn ask(
    look: &Look<'_>,
    control: &mut PgConnection,
    name: &str,
) -> Result<(Store, StoreInventory), PlacementError> {
    let store = look.on.placement.store(control, name).await?;
    let found = store.driver.inventory(&look.on.installation.marks()).await?;
    Ok((store, found))
}

impl At<'_> {
    async fn tenants(&self, rows: &[Tenant], changing: &Changing, found: &StoreInventory) -> Vec<Finding> {
        let buckets: HashMap<&str, &str> =
            found.buckets.iter().map(|it| (it.name.as_str(), it.mark.as_str())).collect();
        let mut keys: HashMap<&str, Vec<&FoundKey>> = HashMap::new();
        for key in &found.keys {
            keys.entry(&key.mark).or_default().push(key);
        }
        let mut findings = Vec::new();
        for tenant in rows.iter().filter(|tenant| !changing.contains_key(&tenant.id)) {
            let Expectation::Whole { open } = Expectation::of(tenant.state) else { continue };
            let mark = self.look.on.installation.mark(tenant.id);
            let mut missing = None;
            if buckets.get(&*tenant.resources.bucket) != Some(&&*mark) {
                missing = self.bucket(tenant, &mark).await;
            }
            if !self.store.shared_key {
                let held = keys.get(&*mark).map_or(&[][..], Vec::as_slice);
                // Where the bucket is gone or has another name, the key may say so, too.
                let own = |name: &String| buckets.get(name.as_str()) == Some(&&*mark);
                let fits = |reached: &[String]| {
                    reached == [tenant.resources.bucket.as_str()]
                        || missing.is_some() && reached.iter().all(own)
                };
                findings.extend(self.keys(tenant, held, open, fits));
            }
            findings.extend(missing);
            findings.extend(self.strangers(tenant, found));
        }
        findings
    }

    /// Keys that Nexus did not make and that can touch the tenant's bucket.
    fn strangers(&self, tenant: &Tenant, found: &StoreInventory) -> Vec<Finding> {
        let here = |key: &&FoundKey| key.buckets.contains(&tenant.resources.bucket);
        let told = |key: &FoundKey| {
            let (object, detail) =
                (format!("key {}", key.access_key_id), format!("its name is {:?}", key.mark));
            Finding::new("bucket_foreign_key", Some(tenant), self.place, object, detail)
        };
        found.strangers.iter().filter(here).map(told).collect()
    }

    /// A bucket that the inventory does not have as the tenant's: gone, or somebody else's.
    async fn bucket(&self, tenant: &Tenant, mark: &str) -> Option<Finding> {
        let owner = Owner { mark: mark.to_owned(), fence: 0 };
        let object = format!("bucket {}", tenant.resources.bucket);
        let new = |code, detail: String| Some(Finding::new(code, Some(tenant), self.place, &*object, detail));
        match self.store.driver.has_bucket(&tenant.resources.bucket, &owner).await {
            Ok(true) => None,
            Ok(false) => new("bucket_missing", "it is not in the store".to_owned()),
            Err(ObjectError::Foreign { .. }) => {
                new("bucket_foreign", "it does not bear this tenant's mark".to_owned())
            }
            Err(error) => new("bucket_missing", error.to_string()),
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
            let Some(finding) = orphan(control, changing, finding, &bucket.mark).await? else { continue };
            let remedy = Remedy::DropBucket { name: bucket.name.clone(), mark: bucket.mark.clone() };
            findings.push(if code == "orphan_bucket" { finding.with(remedy) } else { finding });
        }
        // A further key of a tenant that is there is told with the tenant.
        for key in found.keys.iter().filter(|key| !marks.contains(&key.mark)) {
            let finding =
                Finding::new("orphan_key", None, self.place, format!("key {}", key.access_key_id), "");
            let finding = orphan(control, changing, finding, &key.mark).await?;
            let remedy = Remedy::DropKey { id: key.access_key_id.clone(), mark: key.mark.clone() };
            findings.extend(finding.map(|finding| finding.with(remedy)));
        }
        Ok(findings)
    }
}
