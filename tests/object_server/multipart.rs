use aws_sdk_s3::Client;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{
    ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedMultipartUpload, CompletedPart,
};

use crate::support::{Server, files, refusal};

const PART: usize = 5 << 20;

async fn begin(s3: &Client, key: &str) -> String {
    let begun =
        s3.create_multipart_upload().bucket("parts").key(key).metadata("m", "1").send().await.unwrap();
    begun.upload_id().unwrap().to_owned()
}

async fn part(s3: &Client, key: &str, id: &str, number: i32, body: Vec<u8>) -> CompletedPart {
    let sent = s3.upload_part().bucket("parts").key(key).upload_id(id).part_number(number);
    let sent = sent.body(ByteStream::from(body)).send().await.unwrap();
    CompletedPart::builder().part_number(number).e_tag(sent.e_tag().unwrap()).build()
}

fn all(parts: &[CompletedPart]) -> CompletedMultipartUpload {
    CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build()
}

#[tokio::test]
async fn an_upload_in_parts_becomes_one_object() {
    let server = Server::start().await;
    let s3 = server.tenant("parts").await;
    let id = begin(&s3, "big/k").await;
    let two = part(&s3, "big/k", &id, 2, b"the end".to_vec()).await;
    let one = part(&s3, "big/k", &id, 1, vec![1; PART]).await;
    let uploads = s3.list_multipart_uploads().bucket("parts").prefix("big/").send().await.unwrap();
    assert_eq!(uploads.uploads()[0].upload_id(), Some(id.as_str()));
    let listed =
        s3.list_parts().bucket("parts").key("big/k").upload_id(&id).max_parts(1).send().await.unwrap();
    assert_eq!(listed.parts()[0].size(), i64::try_from(PART).ok());
    assert_eq!((listed.is_truncated(), listed.next_part_number_marker()), (Some(true), Some("1")));
    let unseen = s3.get_object().bucket("parts").key("big/k").send().await;
    assert_eq!(refusal(unseen).0, 404);

    let complete = s3.complete_multipart_upload().bucket("parts").key("big/k").upload_id(&id);
    let done = complete.multipart_upload(all(&[one, two])).send().await.unwrap();
    assert!(done.e_tag().unwrap().ends_with("-2\""), "{done:?}");
    let got = s3.get_object().bucket("parts").key("big/k").send().await.unwrap();
    assert_eq!(got.metadata().unwrap()["m"], "1");
    let bytes = got.body.collect().await.unwrap().to_vec();
    assert_eq!((bytes.len(), &bytes[PART..]), (PART + 7, &b"the end"[..]));
    assert!(files(&server.root().join("buckets/parts/uploads")).is_empty());
    let again = s3.list_parts().bucket("parts").key("big/k").upload_id(&id).send().await;
    assert_eq!(refusal(again), (404, "NoSuchUpload".into()));
}

#[tokio::test]
async fn what_does_not_fit_together_is_not_joined() {
    let server = Server::start().await;
    let s3 = server.tenant("parts").await;
    let id = begin(&s3, "k").await;
    let one = part(&s3, "k", &id, 1, b"small".to_vec()).await;
    let two = part(&s3, "k", &id, 2, b"smaller".to_vec()).await;
    let try_with = |parts: Vec<CompletedPart>| {
        let complete = s3.complete_multipart_upload().bucket("parts").key("k").upload_id(&id);
        async move { refusal(complete.multipart_upload(all(&parts)).send().await) }
    };
    assert_eq!(try_with(vec![one.clone(), two.clone()]).await, (400, "EntityTooSmall".into()));
    assert_eq!(try_with(vec![two.clone(), one.clone()]).await, (400, "InvalidPartOrder".into()));
    let absent = CompletedPart::builder().part_number(3).e_tag("\"a\"").build();
    assert_eq!(try_with(vec![one.clone(), absent]).await, (400, "InvalidPart".into()));
    let other = CompletedPart::builder().part_number(1).e_tag(two.e_tag().unwrap()).build();
    assert_eq!(try_with(vec![other]).await, (400, "InvalidPart".into()));
    let number = s3.upload_part().bucket("parts").key("k").upload_id(&id).part_number(10_001).send().await;
    assert_eq!(refusal(number), (400, "InvalidArgument".into()));
    for forged in ["../../../keys", "0", &"0".repeat(32)] {
        let wrong = s3.upload_part().bucket("parts").key("k").upload_id(forged).part_number(1).send().await;
        assert_eq!(refusal(wrong), (404, "NoSuchUpload".into()), "{forged}");
    }
    let key = s3.list_parts().bucket("parts").key("other").upload_id(&id).send().await;
    assert_eq!(refusal(key), (404, "NoSuchUpload".into()));

    s3.put_object().bucket("parts").key("k").send().await.unwrap();
    let complete = s3.complete_multipart_upload().bucket("parts").key("k").upload_id(&id).if_none_match("*");
    let late = complete.multipart_upload(all(&[one])).send().await;
    assert_eq!(refusal(late), (412, "PreconditionFailed".into()));
    s3.abort_multipart_upload().bucket("parts").key("k").upload_id(&id).send().await.unwrap();
    let gone = s3.abort_multipart_upload().bucket("parts").key("k").upload_id(&id).send().await;
    assert_eq!(refusal(gone), (404, "NoSuchUpload".into()));
    assert!(files(&server.root().join("buckets/parts/uploads")).is_empty());
}

#[tokio::test]
async fn parts_can_be_copied_from_objects() {
    let server = Server::start().await;
    let s3 = server.tenant("parts").await;
    let body = ByteStream::from_static(b"0123456789");
    s3.put_object().bucket("parts").key("from").body(body).send().await.unwrap();
    let id = begin(&s3, "to").await;
    let copy = || s3.upload_part_copy().bucket("parts").key("to").upload_id(&id).copy_source("parts/from");
    let copied = copy().part_number(1).copy_source_range("bytes=2-4").send().await.unwrap();
    let etag = copied.copy_part_result().unwrap().e_tag().unwrap();
    let beyond = copy().part_number(2).copy_source_range("bytes=2-40").send().await;
    assert_eq!(refusal(beyond).0, 416);
    let parts = all(&[CompletedPart::builder().part_number(1).e_tag(etag).build()]);
    let complete = s3.complete_multipart_upload().bucket("parts").key("to").upload_id(&id);
    complete.multipart_upload(parts).send().await.unwrap();
    let got = s3.get_object().bucket("parts").key("to").send().await.unwrap();
    assert_eq!(got.body.collect().await.unwrap().into_bytes(), "234");
}

#[tokio::test]
async fn joined_checksums_are_of_the_parts_or_of_the_whole() {
    let server = Server::start().await;
    let s3 = server.tenant("parts").await;
    for (algorithm, kind) in [
        (ChecksumAlgorithm::Sha256, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32, ChecksumType::Composite),
        (ChecksumAlgorithm::Crc32C, ChecksumType::FullObject),
        (ChecksumAlgorithm::Crc64Nvme, ChecksumType::FullObject),
    ] {
        let begun =
            s3.create_multipart_upload().bucket("parts").key("k").checksum_algorithm(algorithm.clone());
        let begun = begun.checksum_type(kind.clone()).send().await.unwrap();
        let id = begun.upload_id().unwrap();
        let sent = s3.upload_part().bucket("parts").key("k").upload_id(id).part_number(1);
        let sent = sent.checksum_algorithm(algorithm.clone()).body(ByteStream::from_static(b"123456789"));
        let sent = sent.send().await.unwrap();
        let one = CompletedPart::builder()
            .part_number(1)
            .e_tag(sent.e_tag().unwrap())
            .set_checksum_sha256(sent.checksum_sha256().map(str::to_owned))
            .set_checksum_crc32(sent.checksum_crc32().map(str::to_owned))
            .build();
        let complete = s3.complete_multipart_upload().bucket("parts").key("k").upload_id(id);
        complete.checksum_type(kind.clone()).multipart_upload(all(&[one])).send().await.unwrap();
        let head = s3.head_object().bucket("parts").key("k").checksum_mode(ChecksumMode::Enabled);
        let head = head.send().await.unwrap();
        assert_eq!(head.checksum_type(), Some(&kind));
        match algorithm {
            ChecksumAlgorithm::Sha256 => assert!(head.checksum_sha256().unwrap().ends_with("-1")),
            ChecksumAlgorithm::Crc32 => assert!(head.checksum_crc32().unwrap().ends_with("-1")),
            ChecksumAlgorithm::Crc32C => assert_eq!(head.checksum_crc32_c(), Some("4waSgw==")),
            _ => assert_eq!(head.checksum_crc64_nvme(), Some("rosUhgp5mIg=")),
        }
    }
}
