use aws_sdk_s3::Client;
use aws_sdk_s3::types::EncodingType;

use crate::support::{Server, refusal};

async fn fill(s3: &Client, bucket: &str, keys: &[&str]) {
    for key in keys {
        s3.put_object().bucket(bucket).key(*key).send().await.unwrap();
    }
}

/// All keys and groups, page by page.
async fn pages(s3: &Client, prefix: &str, delimiter: Option<&str>, size: i32) -> Vec<String> {
    let mut found = Vec::new();
    let mut token = None;
    loop {
        let page = s3.list_objects_v2().bucket("list").prefix(prefix).max_keys(size);
        let page = page.set_delimiter(delimiter.map(str::to_owned)).set_continuation_token(token);
        let page = page.send().await.unwrap();
        let keys = page.contents().iter().filter_map(|o| o.key());
        let groups = page.common_prefixes().iter().filter_map(|p| p.prefix());
        let here: Vec<String> = keys.chain(groups).map(str::to_owned).collect();
        assert!(here.len() <= usize::try_from(size).unwrap());
        assert_eq!(page.key_count(), i32::try_from(here.len()).ok());
        found.extend(here);
        token = page.next_continuation_token().map(str::to_owned);
        assert_eq!(page.is_truncated(), Some(token.is_some()));
        if token.is_none() {
            found.sort();
            return found;
        }
    }
}

#[tokio::test]
async fn listings_page_and_group() {
    let server = Server::start().await;
    let s3 = server.tenant("list").await;
    fill(&s3, "list", &["a", "b/1", "b/2", "b/c/3", "d&<e>", "f g+h", "ü/1", "z"]).await;
    for size in [1, 2, 3, 1000] {
        let top = pages(&s3, "", Some("/"), size).await;
        assert_eq!(top, ["a", "b/", "d&<e>", "f g+h", "z", "ü/"], "{size}");
        assert_eq!(pages(&s3, "b/", Some("/"), size).await, ["b/1", "b/2", "b/c/"]);
        assert_eq!(pages(&s3, "b", None, size).await, ["b/1", "b/2", "b/c/3"]);
    }
    let after = s3.list_objects_v2().bucket("list").start_after("b/2").send().await.unwrap();
    assert_eq!(after.contents()[0].key(), Some("b/c/3"));
    let none = s3.list_objects_v2().bucket("list").max_keys(0).send().await.unwrap();
    assert_eq!((none.key_count(), none.is_truncated()), (Some(0), Some(false)));
    let negative = s3.list_objects_v2().bucket("list").max_keys(-1).send().await;
    assert_eq!(refusal(negative), (400, "InvalidArgument".into()));
    let forged = s3.list_objects_v2().bucket("list").continuation_token("!!").send().await;
    assert_eq!(refusal(forged), (400, "InvalidArgument".into()));
    let url = s3.list_objects_v2().bucket("list").prefix("f").encoding_type(EncodingType::Url);
    assert_eq!(url.send().await.unwrap().contents()[0].key(), Some("f%20g%2Bh"));
}

#[tokio::test]
async fn the_old_listing_goes_by_markers() {
    let server = Server::start().await;
    let s3 = server.tenant("list").await;
    fill(&s3, "list", &["a/1", "a/2", "b", "c/1"]).await;
    let mut found = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let page = s3.list_objects().bucket("list").delimiter("/").max_keys(1).set_marker(marker);
        let page = page.send().await.unwrap();
        found.extend(page.contents().iter().filter_map(|o| o.key().map(str::to_owned)));
        found.extend(page.common_prefixes().iter().filter_map(|p| p.prefix().map(str::to_owned)));
        marker = page.next_marker().map(str::to_owned);
        if marker.is_none() {
            break;
        }
    }
    assert_eq!(found, ["a/", "b", "c/"]);
}

#[tokio::test]
async fn a_listing_shows_each_write_and_survives_a_restart() {
    let server = Server::start().await;
    let s3 = server.tenant("list").await;
    fill(&s3, "list", &["a", "b"]).await;
    assert_eq!(pages(&s3, "", None, 10).await, ["a", "b"]);
    s3.delete_object().bucket("list").key("a").send().await.unwrap();
    fill(&s3, "list", &["c"]).await;
    assert_eq!(pages(&s3, "", None, 10).await, ["b", "c"]);
    let key = server.key(&["list"]).await;
    let server = server.restart().await;
    let s3 = server.client(&key);
    assert_eq!(pages(&s3, "", None, 10).await, ["b", "c"]);
}
