//! Calls that end between any two of their requests, and are made again: a lost request is tried at
//! every other one, a lost answer at those between; with `NEXUS_TEST_ALL=1` each at all.

use nexus::infra::objects::{GarageStore, ObjectError, ObjectStore};

use super::line::{Last, Line};
use super::{Tenant, client, put, store, store_at, tenant};

/// A call that is cut off after each of its requests in turn, on a tenant of its own each time.
/// `again` then makes it anew on a sound line and says what must hold.
async fn cut_everywhere(
    prepare: impl AsyncFn(&Tenant),
    call: impl AsyncFn(&GarageStore, &Tenant) -> Result<(), ObjectError>,
    again: impl AsyncFn(&Tenant),
) {
    let all = std::env::var_os("NEXUS_TEST_ALL").is_some();
    for (first, last) in [(0, Last::Lost), (usize::from(!all), Last::Done)] {
        for requests in (first..).step_by(if all { 1 } else { 2 }) {
            let it = tenant();
            prepare(&it).await;
            let line = Line::of(requests, last);
            let cut = call(&store_at(&line.endpoint, &line.endpoint), &it).await;
            if cut.is_ok() {
                assert!(
                    requests > 1 && (requests - 1..=requests).contains(&line.requests()),
                    "{requests} requests, {}",
                    line.requests()
                );
                break;
            }
            again(&it).await;
        }
    }
}

#[tokio::test]
async fn making_a_bucket_is_finished_by_making_it_again() {
    cut_everywhere(
        async |_| {},
        async |store, it| store.create_bucket(&it.bucket, &it.owner).await,
        async |it| {
            store().create_bucket(&it.bucket, &it.owner).await.unwrap();
            assert_eq!(it.there().await, (vec![it.bucket.clone()], vec![]));
        },
    )
    .await;
}

#[tokio::test]
async fn what_is_left_of_making_a_bucket_goes_by_a_purge() {
    cut_everywhere(
        async |_| {},
        async |store, it| store.create_bucket(&it.bucket, &it.owner).await,
        async |it| {
            store().purge_bucket(&it.bucket, &it.owner).await.unwrap();
            assert_eq!(it.there().await, (vec![], vec![]));
        },
    )
    .await;
}

#[tokio::test]
async fn a_bucket_that_was_only_begun_is_in_the_inventory_and_goes_by_that_name() {
    let it = tenant();
    // The name is looked up, the bucket is made; the name does not get through.
    let line = Line::of(2, Last::Lost);
    store_at(&line.endpoint, &line.endpoint).create_bucket(&it.bucket, &it.owner).await.unwrap_err();
    let (buckets, _) = it.there().await;
    assert_eq!(buckets.len(), 1);
    assert_ne!(buckets[0], it.bucket);
    store().purge_bucket(&buckets[0], &it.owner).await.unwrap();
    assert_eq!(it.there().await, (vec![], vec![]));
}

#[tokio::test]
async fn what_is_left_of_making_a_key_is_the_owners_to_delete() {
    cut_everywhere(
        async |it| store().create_bucket(&it.bucket, &it.owner).await.unwrap(),
        async |store, it| store.create_key(&it.bucket, &it.owner).await.map(|_| ()),
        async |it| {
            for id in store().keys(&it.owner).await.unwrap() {
                store().delete_key(&id, &it.owner).await.unwrap();
            }
            let key = store().create_key(&it.bucket, &it.owner).await.unwrap();
            put(&client(&key), &it.bucket, "k").await;
            assert_eq!(it.there().await, (vec![it.bucket.clone()], vec![key.access_key_id]));
        },
    )
    .await;
}

#[tokio::test]
async fn a_purge_is_finished_by_a_purge_and_leaves_no_key_of_its_own() {
    cut_everywhere(
        async |it| {
            let s3 = client(&it.settled().await);
            put(&s3, &it.bucket, "k").await;
            put(&s3, &it.bucket, "ctrl\u{1}").await;
            s3.create_multipart_upload().bucket(&it.bucket).key("begun").send().await.unwrap();
        },
        async |store, it| store.purge_bucket(&it.bucket, &it.owner).await,
        async |it| {
            store().purge_bucket(&it.bucket, &it.owner).await.unwrap();
            let (buckets, keys) = it.there().await;
            assert_eq!((buckets, keys), (vec![], store().keys(&it.owner).await.unwrap()));
        },
    )
    .await;
}

#[tokio::test]
async fn turning_a_key_off_is_finished_by_turning_it_off_again() {
    let key = tokio::sync::Mutex::new(None);
    cut_everywhere(
        async |it| *key.lock().await = Some(it.settled().await),
        async |store, it| {
            let key = key.lock().await.clone().unwrap();
            store.set_key_enabled(&key.access_key_id, &it.bucket, &it.owner, false).await
        },
        async |it| {
            let key = key.lock().await.clone().unwrap();
            store().set_key_enabled(&key.access_key_id, &it.bucket, &it.owner, false).await.unwrap();
            assert!(client(&key).list_objects_v2().bucket(&it.bucket).send().await.is_err());
        },
    )
    .await;
}
