use aws_sdk_s3::primitives::ByteStream;
use hyper::Method;

use crate::support::{Server, files, refusal};

#[tokio::test]
async fn any_key_is_only_a_name() {
    let server = Server::start().await;
    let s3 = server.tenant("names").await;
    let longest = "k".repeat(1024);
    let odd = [
        "..",
        ".",
        "../names/x",
        "a/../b",
        "a/./b",
        "a//b",
        "//a",
        "trailing/",
        "ünï/日本/🙂",
        "a b+c%20d",
        "a?b#c&d=e",
        "q'uo\"te",
        "back\\slash",
        "~tilde",
        "%2e%2e%2fx",
        "_nexus/v1/health",
        &longest,
    ];
    for key in odd {
        let body = ByteStream::from(key.as_bytes().to_vec());
        let put = s3.put_object().bucket("names").key(key).body(body).send().await;
        put.unwrap_or_else(|e| panic!("{key}: {e:?}"));
    }
    for key in odd {
        let got = s3.get_object().bucket("names").key(key).send().await;
        let got = got.unwrap_or_else(|e| panic!("{key}: {e:?}"));
        assert_eq!(got.body.collect().await.unwrap().into_bytes(), key);
    }
    let listed = s3.list_objects_v2().bucket("names").send().await.unwrap();
    let mut keys: Vec<&str> = listed.contents().iter().filter_map(|o| o.key()).collect();
    let mut expected = odd.to_vec();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    // Nothing got out of the objects' folder, and no file is called as a key says.
    let objects = server.root().join("buckets/names/objects");
    assert_eq!(files(&objects).len(), odd.len());
    for file in files(&server.folder.path().join("s3")) {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let known =
            name == "lock" || file.extension().is_some_and(|e| e == "json") || file.starts_with(&objects);
        assert!(known, "{}", file.display());
    }
}

#[tokio::test]
async fn keys_that_no_listing_could_carry_are_refused() {
    let server = Server::start().await;
    let s3 = server.tenant("names").await;
    for key in ["a\0b", "a\u{1}b", "a\nb"] {
        let put = s3.put_object().bucket("names").key(key).send().await;
        assert_eq!(refusal(put), (400, "InvalidArgument".into()), "{key:?}");
    }
    let long = s3.put_object().bucket("names").key("k".repeat(1025)).send().await;
    assert_eq!(refusal(long), (400, "KeyTooLongError".into()));
    // Not signed at all, whatever it says.
    for path in ["/names/a%00b", "/names/..%2f..%2fetc", "/names/%ff", "/..%2fnames/a", "/names/../other/k"] {
        let reply = server.call(Method::GET, path, &[], "").await;
        assert!(matches!(reply.status.as_u16(), 400 | 403), "{path}: {}", reply.status);
    }
}
