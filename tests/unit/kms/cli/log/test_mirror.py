from pathlib import Path

import pytest

from unit.hallmark_tlog.virtual_log import ORIGIN, VirtualLog
from unit.kms.cli.log.published import KEYS, publish


def _arguments(public: Path, target: object, *more: object) -> tuple[object, ...]:
    return ("log", "mirror", "--from", public, "--to", target, *KEYS, *more)


@pytest.fixture
def public(tmp_path) -> Path:
    return publish(VirtualLog.of_size(300), tmp_path / "public")


def test_a_copy_holds_like_its_source(hallmark, public, tmp_path) -> None:
    copy = tmp_path / "copy"
    found = hallmark(*_arguments(public, copy, "--json")).document
    assert (found["mirrored"], found["origin"], found["size"], found["size_before"]) == (True, ORIGIN, 300, 0)
    assert hallmark("log", "verify", "--public", copy, *KEYS).code == 0
    again = hallmark(*_arguments(public, copy, "--json")).document
    assert (again["size_before"], again["files_written"]) == (300, 0)
    publish(VirtualLog.of_size(600), public)
    assert "every file verified" in hallmark(*_arguments(public, copy)).out
    assert hallmark("log", "verify", "--public", copy, *KEYS).code == 0


def test_a_source_that_took_something_back_ends_1_and_the_copy_stays(hallmark, public, tmp_path) -> None:
    copy = tmp_path / "copy"
    hallmark(*_arguments(public, copy))
    before = (copy / "checkpoint").read_bytes()
    publish(VirtualLog.of_size(200), public)
    outcome = hallmark(*_arguments(public, copy, "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "LOG_ROLLBACK_ERROR")
    assert (copy / "checkpoint").read_bytes() == before


def test_an_altered_entry_ends_1_and_is_not_copied(hallmark, public, tmp_path) -> None:
    bundle = public / "tile" / "entries" / "000"
    bundle.write_bytes(bundle.read_bytes()[:-1] + b"!")
    outcome = hallmark(*_arguments(public, tmp_path / "copy", "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "LOG_TAMPERED_ERROR")
    assert not (tmp_path / "copy" / "checkpoint").exists()
    assert not (tmp_path / "copy" / "tile" / "entries" / "000").exists()


@pytest.mark.parametrize("target", ["s3://", "s3:/bucket", "https://bucket", "s3://key:secret@bucket"])
def test_a_place_that_is_none_ends_2(hallmark, public, target) -> None:
    outcome = hallmark(*_arguments(public, target, "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "OBJECT_STORE")
    assert "secret" not in outcome.out


def test_no_log_at_the_source_ends_2(hallmark, tmp_path) -> None:
    (tmp_path / "empty").mkdir()
    outcome = hallmark(*_arguments(tmp_path / "empty", tmp_path / "copy", "--json"))
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "LOG_MISSING")


def test_into_a_bucket(hallmark, public, bucket_address) -> None:
    where = ("--endpoint", bucket_address.endpoint, "--region", "us-east-1")
    found = hallmark(*_arguments(public, bucket_address, *where, "--json")).document
    assert found["size"] == 300
    assert hallmark(*_arguments(public, bucket_address, *where, "--json")).document["files_written"] == 0


def test_a_bucket_out_of_reach_is_said(hallmark, public) -> None:
    pytest.importorskip("obstore", reason="obstore is not installed: pip install 'hallmark[s3]'")
    outcome = hallmark(*_arguments(public, "s3://bucket/log", "--endpoint", "http://127.0.0.1:9", "--json"))
    assert outcome.code != 0
    assert "the object store" in outcome.document["error"]["message"]
