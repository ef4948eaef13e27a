//! A proof of isolation: who tries whom, a few at a time.

use std::collections::{BTreeSet, HashMap, HashSet};

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::super::error::InspectionError;
use super::attempts::{Seat, Silence, Tally, Trier};
use super::report::{Breach, Party, Proof};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::placement::{hold_sessions, known_templates};
use crate::features::provisioning::Provisioning;
use crate::features::tenants::{self, Selector, Tenant, TenantFilter, TenantSort, TenantState};
use crate::infra::crypto::random;
use crate::infra::db::{PgConnection, Slots};
use crate::infra::failpoint;
use crate::kernel::{Caller, Event, Progress, TenantId};

/// Each of these tenants logs in as itself and tries what is `pairs` others': their databases,
/// roles and buckets, and the databases that belong to nobody. With as many pairs as there are
/// others every pair is tried; with fewer, which they are is chosen anew each time.
///
/// # Errors
/// When the control database does not answer, or a tenant's credentials do not open.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn prove(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
    (chosen, pairs, jobs): (&[TenantId], usize, usize),
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Proof, InspectionError> {
    let caller = &access::authorize(control, caller, &rights::DOCTOR_PROVE, About::Platform).await?;
    let began_at = OffsetDateTime::now_utc();
    let all = seats(on, control, caller).await?;
    let wanted: HashSet<TenantId> = chosen.iter().copied().collect();
    let triers: Vec<usize> = (0..all.len()).filter(|at| wanted.contains(&all[*at].tenant.id)).collect();
    let offsets = offsets(all.len(), pairs)?;
    let detail = json!({ "tenants": triers.len(), "neighbours": offsets.len() });
    let entry = audit::Entry { caller, action: "tenant.prove", tenant: None, operation: None, detail };
    audit::record(control, entry).await?;
    let nobodys = nobodys(on, control, &all).await?;
    let (slots, jobs) = sessions(on, control, &all, jobs.max(1)).await?;
    progress.event(Event::Total(triers.len() as u64));

    let (mut tally, silence) = (Tally::default(), &Silence::new(stop));
    if triers.is_empty() {
        tally.unclear.extend(chosen.iter().map(not_tried));
    }
    // A few tenants' credentials are open at a time.
    for batch in triers.chunks(jobs * 4) {
        let mut tries = Vec::new();
        for at in batch {
            let seat = all[*at].clone();
            let (password, key) = on.credentials(control, &seat.tenant).await?;
            let neighbours: Vec<Seat> =
                offsets.iter().map(|offset| all[(at + offset) % all.len()].clone()).collect();
            let databases = nobodys.get(&seat.cluster.name).cloned().unwrap_or_default();
            let trier = Trier { seat, password, key };
            tries.push(async move {
                failpoint::pass(|| "prove.tenant".to_owned()).await;
                let tally = Box::pin(trier.try_all(&neighbours, &databases, silence)).await;
                (trier.seat.tenant.slug.clone(), tally)
            });
        }
        let mut tries = stream::iter(tries).buffer_unordered(jobs);
        while let Some((subject, tried)) = tries.next().await {
            progress.event(Event::Done { subject, ok: tried.breaches.is_empty() });
            tally.add(tried);
        }
        if stop.is_cancelled() {
            return Err(InspectionError::Interrupted);
        }
    }
    for held in slots {
        held.give_back(control).await?;
    }
    if !tally.missing.is_empty() {
        let now = seats(on, control, caller).await?;
        tally.gone_of_living(&now.into_iter().map(|seat| seat.tenant.slug).collect());
    }
    Ok(Proof {
        installation: on.installation.id.to_string(),
        program: format!("nexus {}", env!("CARGO_PKG_VERSION")),
        began_at,
        ended_at: OffsetDateTime::now_utc(),
        tenants: triers.iter().map(|at| party(&all[*at].tenant)).collect(),
        pairs: (triers.len() * offsets.len()) as u64,
        attempts: Proof::kinds(tally.counted),
        breaches: tally.breaches,
        unclear: tally.unclear,
    })
}

/// That a tenant that was asked for is none that can try anything.
fn not_tried(id: &TenantId) -> Breach {
    Breach {
        kind: "own".to_owned(),
        tenant: id.to_string(),
        neighbour: String::new(),
        object: "its database".to_owned(),
        unclear: "it tried nothing: it is not in use, or it was adopted".to_owned(),
    }
}

fn party(tenant: &Tenant) -> Party {
    Party {
        id: tenant.id,
        slug: tenant.slug.clone(),
        cluster: tenant.cluster.clone(),
        store: tenant.store.clone(),
    }
}

/// All tenants that are in use, each with its server and store.
async fn seats(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Authorized<'_>,
) -> Result<Vec<Seat>, InspectionError> {
    let filter = TenantFilter { selector: Selector::state(TenantState::Active), search: None };
    let mut rows = Vec::new();
    let mut take = |tenant: Tenant| {
        // Who may enter an adopted database is its owner's affair.
        if !tenant.adopted {
            rows.push(tenant);
        }
        Ok(())
    };
    tenants::read_each(control, caller, &filter, (TenantSort::Slug, false), &mut take)
        .await
        .map_err(InspectionError::Reading)?;
    let mut seats = Vec::with_capacity(rows.len());
    for tenant in rows {
        let cluster = on.placement.cluster(control, &tenant.cluster).await?;
        let store = on.placement.store(control, &tenant.store).await?;
        seats.push(Seat { tenant, cluster, store });
    }
    Ok(seats)
}

/// The sessions that may be held on each server, and how many tenants can then be tried at a time:
/// one that is tried holds one session.
async fn sessions(
    on: &Provisioning,
    control: &mut PgConnection,
    all: &[Seat],
    mut jobs: usize,
) -> Result<(Vec<Slots>, usize), InspectionError> {
    let names: BTreeSet<&str> = all.iter().map(|seat| seat.cluster.name.as_str()).collect();
    let mut held = Vec::new();
    for name in names {
        let budget = on.placement.find_cluster(control, name).await?.connections;
        if let Some(slots) = hold_sessions(control, (name, budget), (1, jobs)).await? {
            jobs = jobs.min(slots.count());
            held.push(slots);
        }
    }
    Ok((held, jobs))
}

/// How far away in the list each tenant's neighbours are.
fn offsets(tenants: usize, pairs: usize) -> Result<Vec<usize>, InspectionError> {
    let others = tenants.saturating_sub(1);
    if pairs >= others {
        return Ok((1..tenants.max(1)).collect());
    }
    let mut chosen = BTreeSet::new();
    while chosen.len() < pairs {
        let mut bytes = [0; 8];
        random::fill(&mut bytes)?;
        let number = u64::from_be_bytes(bytes) % (others as u64);
        chosen.insert(1 + usize::try_from(number).unwrap_or(0));
    }
    Ok(chosen.into_iter().collect())
}

/// By server, the databases that belong to no tenant, and what each is.
async fn nobodys(
    on: &Provisioning,
    control: &mut PgConnection,
    all: &[Seat],
) -> Result<HashMap<String, Vec<(String, &'static str)>>, InspectionError> {
    let mut found: HashMap<String, Vec<(String, &'static str)>> = HashMap::new();
    for seat in all {
        let cluster = &seat.cluster;
        if found.contains_key(&cluster.name) {
            continue;
        }
        let mut here: Vec<(String, &'static str)> =
            ["postgres", "template1"].map(|name| (name.to_owned(), "maintenance")).into();
        if on.control.host == cluster.admin.host && on.control.port == cluster.admin.port {
            here.push((on.control.database.clone(), "control"));
        }
        let templates = known_templates(control, &cluster.name).await?;
        here.extend(templates.into_iter().map(|(name, _, _)| (name, "template")));
        found.insert(cluster.name.clone(), here);
    }
    Ok(found)
}
