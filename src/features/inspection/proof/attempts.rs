//! What one tenant tries.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::report::{Breach, ProofOutcome};
use crate::features::placement::{Cluster, Store};
use crate::features::tenants::Tenant;
use crate::infra::cluster::{self, Entry};
use crate::infra::db::{PgConnection, ServerAddress};
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
    pub(super) counted: BTreeMap<String, ProofOutcome>,
    pub(super) breaches: Vec<Breach>,
    pub(super) unclear: Vec<Breach>,
    /// What was aimed at and was not there.
    pub(super) missing: Vec<Breach>,
}

/// For how long an attempt that is under way when the proof is stopped may still end, and tidy up.
const LAST_WORD: Duration = Duration::from_secs(1);

/// The servers and stores that did not answer: none is waited for a second time in one proof.
pub(super) struct Silence<'a> {
    of: Mutex<HashSet<String>>,
    stop: &'a CancellationToken,
}

impl<'a> Silence<'a> {
    pub(super) fn new(stop: &'a CancellationToken) -> Self {
        Self { of: Mutex::default(), stop }
    }

    /// Tries something at a place, unless the place is known not to answer.
    async fn ask<T>(&self, place: &str, attempt: impl Future<Output = (Entry, T)>) -> (Entry, Option<T>) {
        let known = || self.of.lock().unwrap_or_else(PoisonError::into_inner);
        if known().contains(place) {
            return (Entry::Silent(format!("not tried: {place} did not answer before")), None);
        }
        tokio::pin!(attempt);
        let ended = tokio::select! {
            ended = &mut attempt => Some(ended),
            () = self.stop.cancelled() => tokio::time::timeout(LAST_WORD, attempt).await.ok(),
        };
        let Some((entry, with)) = ended else {
            return (Entry::Unclear("stopped".to_owned()), None);
        };
        if matches!(entry, Entry::Silent(_)) {
            known().insert(place.to_owned());
        }
        (entry, Some(with))
    }
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
            Entry::Gone => {
                outcome.missing += 1;
                self.missing.push(breach("it does not exist, although its tenant is in use".to_owned()));
            }
            Entry::LetIn => {
                outcome.allowed += 1;
                self.breaches.push(breach(String::new()));
            }
            Entry::Unclear(reason) | Entry::Silent(reason) => {
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
                unclear: format!("it should have access: {entry:?}"),
            });
        }
    }

    /// Takes another's in.
    pub(super) fn add(&mut self, other: Self) {
        for (kind, more) in other.counted {
            let outcome = self.counted.entry(kind).or_default();
            outcome.tried += more.tried;
            outcome.refused += more.refused;
            outcome.allowed += more.allowed;
            outcome.missing += more.missing;
            outcome.unclear += more.unclear;
        }
        self.breaches.extend(other.breaches);
        self.unclear.extend(other.unclear);
        self.missing.extend(other.missing);
    }

    /// What was missing is known to have been deleted only where its tenant is not in use any more.
    pub(super) fn gone_of_living(&mut self, slugs: &HashSet<String>) {
        let living = std::mem::take(&mut self.missing).into_iter().filter(|it| slugs.contains(&it.neighbour));
        for it in living {
            if let Some(outcome) = self.counted.get_mut(&it.kind) {
                outcome.missing -= 1;
                outcome.unclear += 1;
            }
            self.unclear.push(it);
        }
    }
}

impl Trier {
    fn login(&self, at: &Cluster, database: &str) -> ServerAddress {
        at.admin.database(database).login(&self.seat.tenant.resources.app_role, self.password.clone())
    }

    async fn enter(
        &self,
        at: &Cluster,
        database: &str,
        silence: &Silence<'_>,
    ) -> (Entry, Option<PgConnection>) {
        let login = self.login(at, database);
        let (entry, session) = silence.ask(&format!("server {}", at.name), cluster::enter(&login)).await;
        (entry, session.flatten())
    }

    /// Tries the neighbours, and the databases of its server that belong to nobody: name and kind.
    /// When it is to stop it leaves the rest out; what was begun is tidied up.
    pub(super) async fn try_all(
        &self,
        neighbours: &[Seat],
        nobodys: &[(String, &'static str)],
        silence: &Silence<'_>,
    ) -> Tally {
        let mut tally = Tally::default();
        let (names, stop) = (&self.seat.tenant.resources, silence.stop);
        let (own, mut session) = self.enter(&self.seat.cluster, &names.database_name, silence).await;
        tally.own(self, format!("database {}", names.database_name), &own);
        for neighbour in neighbours.iter().take_while(|_| !stop.is_cancelled()) {
            let (theirs, slug) = (&neighbour.tenant.resources, neighbour.tenant.slug.as_str());
            let (entry, _) = self.enter(&neighbour.cluster, &theirs.database_name, silence).await;
            tally.count(self, "database", slug, format!("database {}", theirs.database_name), entry);
            if let Some(session) =
                session.as_mut().filter(|_| neighbour.cluster.name == self.seat.cluster.name)
            {
                let place = format!("server {}", self.seat.cluster.name);
                for role in [&theirs.owner_role, &theirs.app_role] {
                    let attempt = async { (cluster::become_other(session, role).await, ()) };
                    let (entry, _) = silence.ask(&place, attempt).await;
                    tally.count(self, "role", slug, format!("role {role}"), entry);
                }
            }
        }
        for (database, kind) in nobodys.iter().take_while(|_| !stop.is_cancelled()) {
            let (entry, _) = self.enter(&self.seat.cluster, database, silence).await;
            tally.count(self, kind, "", format!("database {database}"), entry);
        }
        if let Some(session) = session.take() {
            let close = async { (Entry::LetIn, session.close().await) };
            silence.ask(&format!("server {}", self.seat.cluster.name), close).await;
        }
        Box::pin(self.try_buckets(neighbours, &mut tally, silence)).await;
        tally
    }

    async fn try_buckets(&self, neighbours: &[Seat], tally: &mut Tally, silence: &Silence<'_>) {
        let own_bucket = &self.seat.tenant.resources.bucket;
        let client =
            |store: &Store| BucketClient::new(store.driver.endpoint(), store.driver.region(), &self.key);
        let at_home = Trespasser::new(client(&self.seat.store), own_bucket);
        let own = Box::pin(async { (as_entry(at_home.own().await), ()) });
        let (own, _) = silence.ask(&format!("store {}", self.seat.store.name), own).await;
        tally.own(self, format!("bucket {own_bucket}"), &own);
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
            let place = format!("store {}", store.name);
            for way in WAYS.into_iter().take_while(|_| !silence.stop.is_cancelled()) {
                let attempt =
                    Box::pin(async { (as_entry(trespasser.attempt(way, bucket, &name).await), ()) });
                let (entry, _) = silence.ask(&place, attempt).await;
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
        Attempt::Silent(reason) => Entry::Silent(reason),
    }
}
