//! What one tenant tries.

use std::collections::BTreeMap;

use tokio_util::sync::CancellationToken;

use super::report::{Breach, Outcome};
use crate::features::placement::{Cluster, Store};
use crate::features::tenants::Tenant;
use crate::infra::cluster::{self, Entry};
use crate::infra::db::ServerAddress;
use crate::infra::objects::{Attempt, BucketClient, ScopedKey, Trespasser, WAYS};
use crate::kernel::SecretString;

/// Somebody's place.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) tenant: Tenant,
    pub(super) cluster: Cluster,
    pub(super) store: Store,
}

/// What came of the attempts so far.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) counted: BTreeMap<String, Outcome>,
    pub(super) breaches: Vec<Breach>,
    pub(super) unclear: Vec<Breach>,
}

/// A tenant with its own credentials.
pub(super) struct Trier {
    pub(super) seat: Seat,
    pub(super) password: SecretString,
    pub(super) key: ScopedKey,
}

impl Tally {
    fn count(&mut self, trier: &Trier, kind: &str, neighbour: &str, object: String, entry: Entry) {
        let outcome = self.counted.entry(kind.to_owned()).or_default();
        outcome.tried += 1;
        let breach = |unclear: String| Breach {
            kind: kind.to_owned(),
            tenant: trier.seat.tenant.slug.clone(),
            neighbour: neighbour.to_owned(),
            object,
            unclear,
        };
        match entry {
            Entry::Refused => outcome.refused += 1,
            Entry::Gone => outcome.gone += 1,
            Entry::LetIn => {
                outcome.let_in += 1;
                self.breaches.push(breach(String::new()));
            }
            Entry::Unclear(reason) => {
                outcome.unclear += 1;
                self.unclear.push(breach(reason));
            }
        }
    }

    /// The other way round: what is its own must open, else no refusal proves anything.
    fn own(&mut self, trier: &Trier, object: String, entry: &Entry) {
        if *entry != Entry::LetIn {
            self.unclear.push(Breach {
                kind: "own".to_owned(),
                tenant: trier.seat.tenant.slug.clone(),
                neighbour: trier.seat.tenant.slug.clone(),
                object,
                unclear: format!("it should be let in: {entry:?}"),
            });
        }
    }

    /// Takes another's in.
    pub(super) fn add(&mut self, other: Self) {
        for (kind, more) in other.counted {
            let outcome = self.counted.entry(kind).or_default();
            outcome.tried += more.tried;
            outcome.refused += more.refused;
            outcome.let_in += more.let_in;
            outcome.gone += more.gone;
            outcome.unclear += more.unclear;
        }
        self.breaches.extend(other.breaches);
        self.unclear.extend(other.unclear);
    }
}

impl Trier {
    fn login(&self, at: &Cluster, database: &str) -> ServerAddress {
        at.admin.database(database).login(&self.seat.tenant.resources.app_role, self.password.clone())
    }

    /// Tries the neighbours, and the databases of its server that belong to nobody: name and kind.
    /// When it is to stop it leaves the rest out; what was begun is tidied up.
    pub(super) async fn try_all(
        &self,
        neighbours: &[Seat],
        nobodys: &[(String, &'static str)],
        stop: &CancellationToken,
    ) -> Tally {
        let mut tally = Tally::default();
        let names = &self.seat.tenant.resources;
        let (own, session) = cluster::enter(&self.login(&self.seat.cluster, &names.database_name)).await;
        tally.own(self, format!("database {}", names.database_name), &own);
        let mut session = session;
        for neighbour in neighbours.iter().take_while(|_| !stop.is_cancelled()) {
            let (theirs, slug) = (&neighbour.tenant.resources, neighbour.tenant.slug.as_str());
            let (entry, _) = cluster::enter(&self.login(&neighbour.cluster, &theirs.database_name)).await;
            tally.count(self, "database", slug, format!("database {}", theirs.database_name), entry);
            if let Some(session) =
                session.as_mut().filter(|_| neighbour.cluster.name == self.seat.cluster.name)
            {
                for role in [&theirs.owner_role, &theirs.app_role] {
                    let entry = cluster::become_other(session, role).await;
                    tally.count(self, "role", slug, format!("role {role}"), entry);
                }
            }
        }
        for (database, kind) in nobodys.iter().take_while(|_| !stop.is_cancelled()) {
            let (entry, _) = cluster::enter(&self.login(&self.seat.cluster, database)).await;
            tally.count(self, kind, "", format!("database {database}"), entry);
        }
        if let Some(session) = session.take() {
            let _ = session.close().await;
        }
        self.try_buckets(neighbours, &mut tally, stop).await;
        tally
    }

    async fn try_buckets(&self, neighbours: &[Seat], tally: &mut Tally, stop: &CancellationToken) {
        let own_bucket = &self.seat.tenant.resources.bucket;
        let client =
            |store: &Store| BucketClient::new(store.driver.endpoint(), store.driver.region(), &self.key);
        let at_home = Trespasser::new(client(&self.seat.store), own_bucket);
        tally.own(self, format!("bucket {own_bucket}"), &as_entry(at_home.own().await));
        let mut abroad: BTreeMap<String, Trespasser> = BTreeMap::new();
        for neighbour in neighbours {
            let bucket = &neighbour.tenant.resources.bucket;
            let name = format!(".nexus-proof-{}", self.seat.tenant.id);
            let store = &neighbour.store;
            let trespasser = if store.name == self.seat.store.name {
                &at_home
            } else {
                let there = || Trespasser::new(client(store), own_bucket);
                abroad.entry(store.name.clone()).or_insert_with(there)
            };
            for way in WAYS.into_iter().take_while(|_| !stop.is_cancelled()) {
                let entry = as_entry(trespasser.attempt(way, bucket, &name).await);
                let object = format!("bucket {bucket}");
                tally.count(self, &format!("bucket-{way}"), &neighbour.tenant.slug, object, entry);
            }
        }
    }
}

fn as_entry(attempt: Attempt) -> Entry {
    match attempt {
        Attempt::Refused => Entry::Refused,
        Attempt::LetIn => Entry::LetIn,
        Attempt::Gone => Entry::Gone,
        Attempt::Unclear(reason) => Entry::Unclear(reason),
    }
}
