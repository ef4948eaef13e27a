use aws_sdk_s3::primitives::{ByteStream, DateTime};

use crate::support::{Server, refusal};

#[tokio::test]
async fn reads_ask_before_they_read() {
    let server = Server::start().await;
    let s3 = server.tenant("asks").await;
    let put =
        s3.put_object().bucket("asks").key("k").body(ByteStream::from_static(b"x")).send().await.unwrap();
    let etag = put.e_tag().unwrap();
    let get = || s3.get_object().bucket("asks").key("k");
    let head = || s3.head_object().bucket("asks").key("k");
    let past = DateTime::from_secs(1_000_000_000);
    let later = DateTime::from(std::time::SystemTime::now() + std::time::Duration::from_mins(1));

    get().if_match(etag).send().await.unwrap();
    get().if_match("*").send().await.unwrap();
    get().if_none_match("\"other\"").send().await.unwrap();
    get().if_modified_since(past).send().await.unwrap();
    get().if_unmodified_since(later).send().await.unwrap();
    assert_eq!(refusal(get().if_match("\"other\"").send().await), (412, "PreconditionFailed".into()));
    assert_eq!(refusal(get().if_unmodified_since(past).send().await).0, 412);
    assert_eq!(refusal(get().if_none_match(etag).send().await).0, 304);
    assert_eq!(refusal(get().if_modified_since(later).send().await).0, 304);
    head().if_match(etag).send().await.unwrap();
    assert_eq!(refusal(head().if_match("\"other\"").send().await).0, 412);
    assert_eq!(refusal(head().if_none_match(etag).send().await).0, 304);
}

#[tokio::test]
async fn writes_ask_before_they_write() {
    let server = Server::start().await;
    let s3 = server.tenant("asks").await;
    let put =
        |body: &'static [u8]| s3.put_object().bucket("asks").key("k").body(ByteStream::from_static(body));
    let none = put(b"0").if_match("\"other\"").send().await;
    assert_eq!(refusal(none), (404, "NoSuchKey".into()));
    let first = put(b"1").if_none_match("*").send().await.unwrap();
    assert_eq!(refusal(put(b"2").if_none_match("*").send().await), (412, "PreconditionFailed".into()));
    let second = put(b"3").if_match(first.e_tag().unwrap()).send().await.unwrap();
    assert_eq!(refusal(put(b"4").if_match(first.e_tag().unwrap()).send().await).0, 412);
    let got = s3.get_object().bucket("asks").key("k").send().await.unwrap();
    assert_eq!(got.e_tag(), second.e_tag());
    let delete = s3.delete_object().bucket("asks").key("k").if_match(first.e_tag().unwrap()).send().await;
    assert_eq!(refusal(delete).0, 412);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_64_that_would_be_first_exactly_one_is() {
    let server = Server::start().await;
    let s3 = server.tenant("race").await;
    let mut racers = tokio::task::JoinSet::new();
    for number in 0..64u32 {
        let put = s3.put_object().bucket("race").key("k").if_none_match("*");
        let put = put.body(ByteStream::from(number.to_string().into_bytes()));
        racers.spawn(async move { (number, put.send().await) });
    }
    let mut winners = Vec::new();
    while let Some(done) = racers.join_next().await {
        let (number, outcome) = done.unwrap();
        match outcome {
            Ok(_) => winners.push(number),
            Err(_) => assert_eq!(refusal(outcome), (412, "PreconditionFailed".into())),
        }
    }
    assert_eq!(winners.len(), 1);
    let got = s3.get_object().bucket("race").key("k").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), winners[0].to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_writers_of_one_key_one_wins_whole() {
    let server = Server::start().await;
    let s3 = server.tenant("race").await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..16u8 {
        let body = ByteStream::from(vec![number; 300_000 + usize::from(number)]);
        let put = s3.put_object().bucket("race").key("k").body(body);
        writers.spawn(async move { put.send().await.unwrap() });
        let get = s3.get_object().bucket("race").key("k");
        writers.spawn(async move {
            if let Ok(got) = get.send().await {
                whole(&got.body.collect().await.unwrap().to_vec());
            }
            aws_sdk_s3::operation::put_object::PutObjectOutput::builder().build()
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    let got = s3.get_object().bucket("race").key("k").send().await.unwrap();
    whole(&got.body.collect().await.unwrap().to_vec());
}

fn whole(bytes: &[u8]) {
    assert_eq!(bytes.len(), 300_000 + usize::from(bytes[0]));
    assert!(bytes.iter().all(|b| *b == bytes[0]));
}
