//! A process that dies between two requests, and the one that does its work again: one fault is tried
//! at every other request, the other at those between; with `NEXUS_TEST_ALL=1` each at all.

use std::time::Duration;

use nexus::infra::objects::{ObjectError, ObjectStore, StoreInventory};

use super::{REGION, Tenant, as_root, iam};
use crate::support::moto;
use crate::support::proxy::{Fault, Proxy};

/// Fails a test that would otherwise never end.
const PATIENCE: Duration = Duration::from_mins(1);

/// One call of the driver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    CreateBucket,
    CreateKey,
    TurnOff,
    DeleteKey,
    Purge,
}

impl Call {
    async fn run(self, tenant: &Tenant, key: &str) -> Result<(), ObjectError> {
        let Tenant { store, owner, bucket, .. } = tenant;
        match self {
            Self::CreateBucket => store.create_bucket(bucket, owner).await,
            Self::CreateKey => {
                // As the step does: a key whose secret was lost is of no use.
                for id in store.keys(owner).await? {
                    store.delete_key(&id, owner).await?;
                }
                store.create_key(bucket, owner).await.map(drop)
            }
            Self::TurnOff => store.set_key_enabled(key, bucket, owner, false).await,
            Self::DeleteKey => store.delete_key(key, owner).await,
            Self::Purge => store.purge_bucket(bucket, owner).await,
        }
    }
}

/// Runs the call until its request number `after` meets the fault, where it dies: nothing of it
/// runs any more. Whether it died; a call with fewer requests ends well.
async fn dies(call: Call, tenant: &Tenant, key: &str, proxy: &Proxy, after: u32, fault: Fault) -> bool {
    proxy.break_after(after, fault);
    let met = async {
        while proxy.met() == 0 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let died = tokio::select! {
        biased;
        () = met => true,
        ended = tokio::time::timeout(PATIENCE, call.run(tenant, key)) => match ended.unwrap() {
            // What is never tried again fails before anybody has looked.
            Err(_) if proxy.met() > 0 => true,
            ended => {
                ended.unwrap();
                false
            }
        },
    };
    proxy.fix();
    died
}

/// How many requests there are at which it can die.
async fn dies_everywhere(call: Call, fault: Fault) -> u32 {
    let all = std::env::var_os("NEXUS_TEST_ALL").is_some();
    let first = u32::from(!all && fault == Fault::LoseAnswer);
    for after in (first..).step_by(if all { 1 } else { 2 }) {
        let proxy = Proxy::before(&moto::shared().endpoint);
        let tenant = Tenant::at(&proxy.endpoint, REGION);
        let Tenant { store, owner, bucket, installation } = &tenant;
        let mut key = String::new();
        if call != Call::CreateBucket {
            store.create_bucket(bucket, owner).await.unwrap();
        }
        if matches!(call, Call::TurnOff | Call::DeleteKey) {
            key = store.create_key(bucket, owner).await.unwrap().access_key_id;
        }
        let died = dies(call, &tenant, &key, &proxy, after, fault).await;
        call.run(&tenant, &key).await.unwrap_or_else(|error| panic!("{call:?} after {after}: {error}"));
        let there = store.inventory(installation).await.unwrap();
        let enabled: Vec<bool> = there.keys.iter().map(|key| key.enabled).collect();
        let (buckets, keys): (usize, &[bool]) = match call {
            Call::CreateBucket | Call::DeleteKey => (1, &[]),
            Call::CreateKey => (1, &[true]),
            Call::TurnOff => (1, &[false]),
            Call::Purge => (0, &[]),
        };
        assert_eq!((there.buckets.len(), &*enabled), (buckets, keys), "{call:?} after {after}");
        for key in &there.keys {
            store.delete_key(&key.access_key_id, owner).await.unwrap();
        }
        store.purge_bucket(bucket, owner).await.unwrap();
        assert_eq!(store.inventory(installation).await.unwrap(), StoreInventory::default());
        assert!(
            iam().get_user().user_name(bucket).send().await.is_err(),
            "{call:?} after {after}: a user stays"
        );
        if !died {
            return after;
        }
    }
    unreachable!("a call has an end")
}

async fn survives(call: Call, at_least: u32) {
    for fault in [Fault::HangUp, Fault::LoseAnswer] {
        let deaths = dies_everywhere(call, fault).await;
        assert!(deaths >= at_least, "{call:?} died {deaths} times only");
    }
}

#[tokio::test]
async fn a_bucket_is_made_whatever_was_left_of_the_first_try() {
    survives(Call::CreateBucket, 5).await;
}

#[tokio::test]
async fn a_key_is_made_whatever_was_left_of_the_first_try() {
    survives(Call::CreateKey, 4).await;
}

#[tokio::test]
async fn a_key_is_turned_off_whatever_was_left_of_the_first_try() {
    survives(Call::TurnOff, 2).await;
}

#[tokio::test]
async fn a_key_is_deleted_whatever_was_left_of_the_first_try() {
    survives(Call::DeleteKey, 5).await;
}

#[tokio::test]
async fn a_bucket_is_purged_whatever_was_left_of_the_first_try() {
    survives(Call::Purge, 4).await;
}

/// Undoing what died comes without a second try of it.
#[tokio::test]
async fn a_half_made_bucket_is_taken_away_wherever_making_it_died() {
    for fault in [Fault::HangUp, Fault::LoseAnswer] {
        for after in 0.. {
            let proxy = Proxy::before(&moto::shared().endpoint);
            let tenant = Tenant::at(&proxy.endpoint, REGION);
            let died = dies(Call::CreateBucket, &tenant, "", &proxy, after, fault).await;
            let is_there = as_root().head_bucket().bucket(&tenant.bucket).send().await.is_ok();
            let found = tenant.store.inventory(&tenant.installation).await.unwrap().buckets;
            assert_eq!(found.len(), usize::from(is_there), "after {after}");
            tenant.store.purge_bucket(&tenant.bucket, &tenant.owner).await.unwrap();
            let there = tenant.store.inventory(&tenant.installation).await.unwrap();
            assert_eq!(there, StoreInventory::default(), "after {after}");
            assert!(iam().get_user().user_name(&tenant.bucket).send().await.is_err(), "after {after}");
            if !died {
                break;
            }
        }
    }
}
