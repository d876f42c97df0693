"""What only a bucket does: the attributes of objects, where credentials come from, and how it fails."""

import asyncio
import urllib.request
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from kms.public.errors import ObjectStoreUnusable, PublicFilesUnavailable, PublicPathInvalid
from kms.public.files import PublicFile
from kms.public.kinds import kind_of
from kms.public.object_store import BucketAddress, ObjectStorePublicFiles, open_bucket, parse_bucket_url
from support.object_store import CREDENTIALS

needs_obstore = pytest.mark.skipif(
    "not __import__('importlib').util.find_spec('obstore')", reason="obstore is not installed"
)


@pytest.mark.parametrize(
    "path", ["checkpoint", "tile/0/000", "tile/entries/000.p/7", "history/7", "history.json", "verifier-keys"]
)
async def test_any_http_reader_is_told_what_the_service_tells(bucket: ObjectStorePublicFiles, path: str) -> None:
    import obstore

    await bucket.replace(PublicFile(path, b"content"))
    url = obstore.sign(bucket._store, "GET", path, timedelta(minutes=1))
    with await asyncio.to_thread(urllib.request.urlopen, url, timeout=10) as answer:
        assert answer.read() == b"content"
        assert answer.headers["Content-Type"] == kind_of(path).media_type
        assert answer.headers["Cache-Control"] == kind_of(path).cache_control


async def test_an_answer_that_was_lost_does_no_harm(bucket: ObjectStorePublicFiles) -> None:
    """The library sends a request again when its answer is lost: what is there then is our own."""
    await bucket.add([PublicFile("tile/0/000", b"x"), PublicFile("tile/0/000", b"x")])
    assert await bucket.read("tile/0/000") == b"x"


async def test_more_objects_are_removed_than_one_request_takes(bucket: ObjectStorePublicFiles) -> None:
    paths = [f"tile/{level}/{index:03d}" for level in range(2) for index in range(1000)]
    await bucket.add([PublicFile(path, b"") for path in paths[:1005]])
    assert len(await bucket.names("tile/0")) == 1000, "more than one page of a listing"
    await bucket.remove(paths)
    assert await bucket.names() == []


async def test_a_bucket_that_is_not_there_says_so(bucket_address: BucketAddress) -> None:
    files = open_bucket(replace(bucket_address, bucket="another-bucket"))
    with pytest.raises(PublicFilesUnavailable, match="the object store"):
        await files.add([PublicFile("tile/0/000", b"x")])


@needs_obstore
async def test_a_store_that_cannot_be_reached_is_a_typed_error_without_secrets() -> None:
    address = BucketAddress(bucket="bucket", endpoint="http://127.0.0.1:9", region="us-east-1")
    files = open_bucket(address, environment=CREDENTIALS)
    for attempt in (files.read("checkpoint"), files.names(), files.remove(["a"]), files.replace(PublicFile("a", b""))):
        with pytest.raises(PublicFilesUnavailable, match="object store") as failed:
            await attempt
        assert CREDENTIALS["AWS_SECRET_ACCESS_KEY"] not in str(failed.value)


async def test_credentials_may_stand_in_a_file(
    bucket_address: BucketAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CREDENTIALS:
        monkeypatch.delenv(name)
    file = tmp_path / "credentials"
    file.write_text("[logs]\naws_access_key_id = tests\naws_secret_access_key = 100%secret\naws_session_token = t\n")
    environment = {"AWS_SHARED_CREDENTIALS_FILE": str(file), "AWS_PROFILE": "logs"}
    files = open_bucket(bucket_address, environment=environment)
    await files.replace(PublicFile("checkpoint", b"1"))
    assert await files.read("checkpoint") == b"1"
    with pytest.raises(ObjectStoreUnusable, match=r"\[default\]") as failed:
        open_bucket(bucket_address, environment={"AWS_SHARED_CREDENTIALS_FILE": str(file)})
    assert "secret" not in str(failed.value).replace("aws_secret_access_key", "")
    open_bucket(bucket_address, environment={**environment, "AWS_PROFILE": "none", "AWS_ACCESS_KEY_ID": "first"})


def test_a_bucket_is_named_like_everywhere() -> None:
    assert parse_bucket_url("s3://logs") == BucketAddress(bucket="logs")
    address = parse_bucket_url("s3://logs/a/b/", endpoint="https://s3.example", region="r", path_style=False)
    assert address == BucketAddress(
        bucket="logs", prefix="a/b", endpoint="https://s3.example", region="r", path_style=False
    )
    assert str(address) == "s3://logs/a/b"


@pytest.mark.parametrize(
    "url", ["", "logs", "s3://", "s3:///a", "https://logs/a", "s3://key:secret@logs", "s3://logs/a?b", "s3://logs/a#b"]
)
def test_other_names_are_refused_without_repeating_them(url: str) -> None:
    with pytest.raises(ObjectStoreUnusable) as failed:
        parse_bucket_url(url)
    assert "secret" not in str(failed.value)


def test_bad_prefixes_and_endpoints_are_refused() -> None:
    with pytest.raises(PublicPathInvalid):
        parse_bucket_url("s3://logs/../x")
    for endpoint in ("s3.example", "ftp://s3.example", "https://key:secret@s3.example"):
        with pytest.raises(ObjectStoreUnusable, match="endpoint"):
            parse_bucket_url("s3://logs", endpoint=endpoint)
