//! A store that is a Garage: its buckets and keys against the tenants' rows.

use nexus::infra::objects::{ObjectStore, Owner, ScopedKey};
use serde_json::{Value, json};

use super::planted::row;
use super::{Second, Seen, fsck, rows, seen, tenants};
use crate::fleet_verify::of;
use crate::stores_garage::{admin, client, put, store};
use crate::support::garage;
use crate::support::world::World;

/// Tenants `t-001` and so on in a Garage store.
fn world(second: &Second, count: usize) -> World {
    let world = World::of(second.stack, &second.stack.endpoint);
    garage::register(&world, "garage");
    tenants(&world, 1, count, &["--store", "garage"]);
    world
}

fn bucket_id(name: &str) -> String {
    admin(&format!("GetBucketInfo?globalAlias={name}"), &Value::Null)["id"].as_str().unwrap().to_owned()
}

/// Gives or takes rights.
fn rights(call: &str, bucket: &str, key: &str, rights: &Value) {
    let body = json!({ "bucketId": bucket_id(bucket), "accessKeyId": key, "permissions": rights });
    admin(call, &body);
}

/// Has a tenant use its bucket with what it is told.
async fn use_bucket(world: &World, slug: &str) {
    let env = world.env(slug);
    let text = |name: &str| env[name].as_str().unwrap().to_owned();
    let secret = text("AWS_SECRET_ACCESS_KEY").into();
    let key = ScopedKey { access_key_id: text("AWS_ACCESS_KEY_ID"), secret };
    put(&client(&key), &text("S3_BUCKET"), "again").await;
}

#[test]
fn tenants_on_a_garage_store_are_as_they_should_be() {
    let second = Second::start();
    let world = world(&second, 3);
    world.ok(&["tenant", "suspend", "t-002", "--reason", "unpaid"]);
    world.ok(&["tenant", "delete", "t-003", "--yes", "--confirm", "t-003"]);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()));
}

/// Plants a fault in a tenant of its own each; what should be found, and the key of a stranger.
fn plant(world: &World) -> (Seen, String) {
    let at = |number| row(world, number);
    admin(&format!("DeleteBucket?id={}", bucket_id(&at(1).bucket)), &Value::Null);
    admin(&format!("DeleteKey?id={}", at(2).key), &Value::Null);
    let (reads, writes) = (json!({ "read": true }), json!({ "write": true }));
    rights("AllowBucketKey", &at(4).bucket, &at(3).key, &reads);
    let mark = |id: &str| format!("nexus:{}:{id}", world.id);
    admin("CreateKey", &json!({ "name": mark(&at(5).id) }));
    let past = json!({ "expiration": "2020-01-01T00:00:00Z" });
    admin(&format!("UpdateKey?id={}", at(6).key), &past);
    rights("AllowBucketKey", &at(7).bucket, &at(7).key, &json!({ "owner": true }));
    rights("DenyBucketKey", &at(8).bucket, &at(8).key, &writes);
    let named = at(9).bucket;
    admin("RemoveBucketAlias", &json!({ "bucketId": bucket_id(&named), "globalAlias": named }));
    let stranger = admin("CreateKey", &json!({ "name": "backup" }));
    let stranger = stranger["accessKeyId"].as_str().unwrap().to_owned();
    rights("AllowBucketKey", &at(11).bucket, &stranger, &reads);
    let suspended = at(10).key;
    admin(&format!("UpdateKey?id={suspended}"), &json!({ "neverExpires": true }));
    let planted = seen(&[
        ("bucket_missing", "t-001"),
        ("key_missing", "t-002"),
        ("key_scope", "t-003"),
        ("key_extra", "t-005"),
        ("key_disabled", "t-006"),
        ("key_scope", "t-007"),
        ("key_scope", "t-008"),
        ("bucket_missing", "t-009"),
        ("bucket_renamed", "t-009"),
        ("key_enabled", "t-010"),
        ("bucket_foreign_key", "t-011"),
        ("orphan_bucket", ""),
        ("orphan_key", ""),
    ]);
    (planted, stranger)
}

/// A bucket with something in it, and a key, for a tenant that no row knows.
async fn plant_orphans(world: &World, bucket: &str) {
    let owner = Owner { mark: format!("nexus:{}:{}", world.id, uuid::Uuid::now_v7()), fence: 1 };
    store().create_bucket(bucket, &owner).await.unwrap();
    let key = store().create_key(bucket, &owner).await.unwrap();
    put(&client(&key), bucket, "kept").await;
}

#[tokio::test]
async fn what_is_wrong_in_a_garage_store_is_found_and_mended_where_that_loses_nothing() {
    let second = Second::start();
    let world = world(&second, 11);
    world.ok(&["tenant", "suspend", "t-010", "--reason", "unpaid"]);
    let renamed = row(&world, 9).bucket;
    let (id, lost) = (bucket_id(&renamed), format!("lost{}", uuid::Uuid::new_v4().simple()));
    plant_orphans(&world, &lost).await;
    let (planted, stranger) = plant(&world);
    assert_eq!(fsck(&world, &[]), (9, planted, Seen::new()));

    let by_hand = [
        ("bucket_missing", "t-001"),
        ("bucket_missing", "t-009"),
        ("bucket_renamed", "t-009"),
        ("bucket_foreign_key", "t-011"),
    ];
    // A key is kept for as long as the bucket that it opens.
    let (code, faults, _) = fsck(&world, &["--fix", "--yes"]);
    let kept = [("orphan_bucket", ""), ("orphan_key", "")];
    assert_eq!((code, faults), (9, seen(&[&by_hand[..], &kept].concat())));
    let (code, faults, _) = fsck(&world, &["--fix", "--drop-orphans", "--yes", "--confirm", "1"]);
    assert_eq!((code, faults), (9, seen(&by_hand)), "a bucket that may be a tenant's was kept");
    for slug in ["t-002", "t-003", "t-004", "t-005", "t-006", "t-007", "t-008", "t-011"] {
        use_bucket(&world, slug).await;
    }

    // What a person is told to do.
    rights("DenyBucketKey", &row(&world, 11).bucket, &stranger, &json!({ "read": true }));
    admin("AddBucketAlias", &json!({ "bucketId": id, "globalAlias": renamed }));
    world.ok(&["tenant", "delete", "t-001", "--purge", "--yes", "--confirm", "t-001"]);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()));
    use_bucket(&world, "t-009").await;
}

#[test]
fn a_garage_store_that_does_not_answer_is_told_of_and_hides_no_other_fault() {
    let second = Second::start();
    let world = world(&second, 2);
    let app = row(&world, 1).app;
    world.sql("postgres", &format!("alter role {app} createdb"));
    let nowhere = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.control_sql(&format!(
        "update control.stores set admin_endpoint = 'http://{nowhere}' where name = 'garage'"
    ));
    let (code, rows) = rows(&world, &[]);
    // That somebody moved the store by hand is said, too.
    let found = seen(&[("role_powers", "t-001"), ("record_row_changed", "")]);
    assert_eq!((code, of(&rows, "error")), (9, found));
    assert_eq!(of(&rows, "unchecked"), seen(&[("store_unreachable", "")]));
}
