"""The calls that a business app makes, with boto3. Run by scripts/s3-compat."""

import hashlib
import io
import os
import urllib.error
import urllib.parse
import urllib.request
import uuid

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import ClientError

BUCKET = os.environ["S3_BUCKET"]
PREFIX = f"s3-compat/{uuid.uuid4()}/"
s3 = boto3.client(
    "s3",
    region_name=os.environ.get("AWS_DEFAULT_REGION", "us-east-1"),
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}, signature_version="s3v4"),
)


def refused(status, call, **arguments):
    try:
        call(**arguments)
    except ClientError as error:
        got = error.response["ResponseMetadata"]["HTTPStatusCode"]
        assert got == status, (call, arguments, got, error)
        return error.response["Error"]["Code"]
    raise AssertionError(f"not refused: {call} {arguments}")


def http(method, url, body=None, headers=None):
    request = urllib.request.Request(url, data=body, method=method, headers=headers or {})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def buckets():
    s3.head_bucket(Bucket=BUCKET)
    assert BUCKET in [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]]
    assert "LocationConstraint" in s3.get_bucket_location(Bucket=BUCKET)


def objects():
    key = PREFIX + "a b/ü+&.txt"
    put = s3.put_object(
        Bucket=BUCKET, Key=key, Body=b"hello", ContentType="text/plain", CacheControl="no-store",
        ContentDisposition="inline", ContentLanguage="en", Metadata={"one": "1"},
    )
    assert put["ETag"] == f'"{hashlib.md5(b"hello").hexdigest()}"', put
    got = s3.get_object(Bucket=BUCKET, Key=key)
    assert got["Body"].read() == b"hello"
    assert (got["ContentType"], got["CacheControl"], got["Metadata"]) == ("text/plain", "no-store", {"one": "1"})
    assert s3.head_object(Bucket=BUCKET, Key=key)["ContentLength"] == 5
    part = s3.get_object(Bucket=BUCKET, Key=key, Range="bytes=-3")
    assert (part["Body"].read(), part["ContentRange"]) == (b"llo", "bytes 2-4/5")
    assert refused(416, s3.get_object, Bucket=BUCKET, Key=key, Range="bytes=9-") == "InvalidRange"
    assert refused(404, s3.get_object, Bucket=BUCKET, Key=PREFIX + "none") == "NoSuchKey"
    refused(404, s3.head_object, Bucket=BUCKET, Key=PREFIX + "none")
    refused(304, s3.get_object, Bucket=BUCKET, Key=key, IfNoneMatch=put["ETag"])
    refused(412, s3.get_object, Bucket=BUCKET, Key=key, IfMatch='"0"')
    refused(412, s3.put_object, Bucket=BUCKET, Key=key, Body=b"", IfNoneMatch="*")
    s3.put_object(Bucket=BUCKET, Key=key, Body=b"again", IfMatch=put["ETag"])
    s3.copy_object(Bucket=BUCKET, Key=PREFIX + "copy", CopySource={"Bucket": BUCKET, "Key": key})
    s3.copy_object(
        Bucket=BUCKET, Key=PREFIX + "copy", CopySource={"Bucket": BUCKET, "Key": PREFIX + "copy"},
        MetadataDirective="REPLACE", Metadata={"two": "2"},
    )
    assert s3.head_object(Bucket=BUCKET, Key=PREFIX + "copy")["Metadata"] == {"two": "2"}
    s3.put_object(Bucket=BUCKET, Key=PREFIX + "empty", Body=b"")
    assert s3.get_object(Bucket=BUCKET, Key=PREFIX + "empty")["Body"].read() == b""


def checksums():
    key = PREFIX + "sum"
    for name in ["CRC32", "SHA1", "SHA256"]:
        s3.put_object(Bucket=BUCKET, Key=key, Body=b"123456789", ChecksumAlgorithm=name)
        got = s3.get_object(Bucket=BUCKET, Key=key, ChecksumMode="ENABLED")
        assert got["Body"].read() == b"123456789" and got["Checksum" + name], got
    stream = io.BytesIO(b"x" * 3_000_000)
    s3.put_object(Bucket=BUCKET, Key=key, Body=stream)
    assert refused(400, s3.put_object, Bucket=BUCKET, Key=key, Body=b"a", ChecksumCRC32="AAAAAA==") == "BadDigest"
    refused(400, s3.put_object, Bucket=BUCKET, Key=key, Body=b"a", ContentMD5="AAAAAAAAAAAAAAAAAAAAAA==")


def listings():
    for name in ["l/a", "l/b/1", "l/b/2", "l/c d"]:
        s3.put_object(Bucket=BUCKET, Key=PREFIX + name, Body=b"")
    pages = s3.get_paginator("list_objects_v2").paginate(
        Bucket=BUCKET, Prefix=PREFIX + "l/", Delimiter="/", PaginationConfig={"PageSize": 1}
    )
    found = []
    for page in pages:
        found += [entry["Key"] for entry in page.get("Contents", [])]
        found += [group["Prefix"] for group in page.get("CommonPrefixes", [])]
    assert found == [PREFIX + name for name in ["l/a", "l/b/", "l/c d"]], found
    old = s3.list_objects(Bucket=BUCKET, Prefix=PREFIX + "l/", MaxKeys=2)
    assert old["IsTruncated"] and len(old["Contents"]) == 2
    after = s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX + "l/", StartAfter=PREFIX + "l/b/1")
    assert after["KeyCount"] == 2


def multipart():
    key, body = PREFIX + "big", os.urandom(13 << 20)
    config = TransferConfig(multipart_threshold=5 << 20, multipart_chunksize=5 << 20)
    s3.upload_fileobj(io.BytesIO(body), BUCKET, key, Config=config)
    back = io.BytesIO()
    s3.download_fileobj(BUCKET, key, back, Config=config)
    assert back.getvalue() == body
    assert s3.head_object(Bucket=BUCKET, Key=key)["ETag"].endswith('-3"')
    s3.copy({"Bucket": BUCKET, "Key": key}, BUCKET, key + "-copy", Config=config)
    assert s3.head_object(Bucket=BUCKET, Key=key + "-copy")["ContentLength"] == len(body)
    upload = s3.create_multipart_upload(Bucket=BUCKET, Key=key)["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key=key, UploadId=upload, PartNumber=1, Body=b"x")
    assert len(s3.list_parts(Bucket=BUCKET, Key=key, UploadId=upload)["Parts"]) == 1
    assert [u["UploadId"] for u in s3.list_multipart_uploads(Bucket=BUCKET, Prefix=key)["Uploads"]] == [upload]
    s3.abort_multipart_upload(Bucket=BUCKET, Key=key, UploadId=upload)
    refused(404, s3.list_parts, Bucket=BUCKET, Key=key, UploadId=upload)


def presigned():
    key = PREFIX + "signed"
    put = s3.generate_presigned_url("put_object", Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=60)
    assert http("PUT", put, b"signed")[0] == 200
    get = s3.generate_presigned_url("get_object", Params={"Bucket": BUCKET, "Key": key}, ExpiresIn=60)
    assert http("GET", get) == (200, b"signed")
    assert http("GET", get.replace("signed?", "copy?"))[0] == 403
    assert http("GET", get.split("?")[0])[0] == 403
    form = s3.generate_presigned_post(
        BUCKET, PREFIX + "${filename}".replace("${filename}", "form"),
        Conditions=[["content-length-range", 1, 100]], ExpiresIn=60,
    )
    line, body = "a-line-of-its-own", b""
    for name, value in form["fields"].items():
        body += f'--{line}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()
    body += f'--{line}\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nform\r\n--{line}--\r\n'.encode()
    kind = {"Content-Type": f"multipart/form-data; boundary={line}"}
    status, answer = http("POST", form["url"], body, kind)
    assert status == 204, (status, answer)
    assert s3.get_object(Bucket=BUCKET, Key=PREFIX + "form")["Body"].read() == b"form"


def denials():
    refused(403, s3.head_bucket, Bucket="somebody-elses-bucket")
    refused(403, s3.create_bucket, Bucket="a-bucket-of-my-own")
    refused(501, s3.get_bucket_versioning, Bucket=BUCKET)


def removal():
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=PREFIX)
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    assert keys
    s3.delete_object(Bucket=BUCKET, Key=keys.pop())
    done = s3.delete_objects(Bucket=BUCKET, Delete={"Objects": [{"Key": key} for key in keys]})
    assert len(done["Deleted"]) == len(keys) and not done.get("Errors"), done
    assert s3.list_objects_v2(Bucket=BUCKET, Prefix=PREFIX)["KeyCount"] == 0


for check in [buckets, objects, checksums, listings, multipart, presigned, denials, removal]:
    check()
    print(f"ok {check.__name__}")
print("all passed")
