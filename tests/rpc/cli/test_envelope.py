import base64
import json

import pytest

from rpc.wire import fresh_name


@pytest.fixture
def key(hallmark) -> str:
    name = fresh_name()
    created = hallmark("keys", "create", name, "--purpose", "envelope")
    assert (created.code, f"hallmark envelope seal FILE --key {name}" in created.out) == (0, True)
    return name


def test_from_sealing_to_shredding(hallmark, key, tmp_path) -> None:
    (tmp_path / "events.json").write_bytes(b'{"beats": 61}\n')
    assert "HPKE MLKEM768-X25519" in hallmark("envelope", "key", key).out
    sealed = hallmark("envelope", "seal", "events.json", "--key", key, "--info", "events/v1", "--json")
    assert sealed.document["sealed_file"] == "events.json.sealed"
    assert b"beats" not in (tmp_path / "events.json.sealed").read_bytes()
    opening = ("envelope", "open", "events.json.sealed", "--info", "events/v1")
    assert hallmark(*opening, "--output", "opened.json").code == 0
    assert (tmp_path / "opened.json").read_bytes() == b'{"beats": 61}\n'
    assert base64.b64decode(hallmark(*opening, "--json").document["plaintext"]) == b'{"beats": 61}\n'
    hallmark("keys", "rotate", key)
    asked = hallmark("envelope", "shred", f"{key}/versions/1")
    assert (asked.code, "--yes" in asked.err) == (2, True)
    assert hallmark("envelope", "shred", f"{key}/versions/1", "--yes", "--json").document["shred_time"]
    gone = hallmark(*opening, "--json")
    assert (gone.code, gone.document["error"]["reason"]) == (3, "KEY_VERSION_NOT_ACTIVE")


def test_the_wrong_info_ends_1_and_tells_nothing(hallmark, key, tmp_path) -> None:
    (tmp_path / "x").write_bytes(b"x")
    hallmark("envelope", "seal", "x", "--key", key, "--info", "a")
    outcome = hallmark("envelope", "open", "x.sealed", "--info", "b", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "ENVELOPE_INVALID")


def test_a_data_key_is_sealed_into_a_file(hallmark, key, tmp_path) -> None:
    made = hallmark("envelope", "data-key", key, "--output", "disk.sealed")
    plaintext = base64.b64decode(made.out)
    assert len(plaintext) == 32
    assert "sealed to" in made.err
    assert hallmark("envelope", "open", "disk.sealed", "--output", "disk.key").code == 0
    assert (tmp_path / "disk.key").read_bytes() == plaintext


def test_a_pinned_service_key_decides(hallmark, key, tmp_path) -> None:
    hallmark("keys", "public", "tenants/system/keys/envelope-keys", "--output", "service.pem")
    assert hallmark("envelope", "key", key, "--service-key", "service.pem").code == 0
    hallmark("keys", "public", "tenants/system/keys/revocation-events", "--output", "other.pem")
    refused = hallmark("envelope", "key", key, "--service-key", "other.pem", "--json")
    assert (refused.code, refused.document["error"]["reason"]) == (1, "KEY_NOT_TRUSTED")


def test_what_is_no_envelope(hallmark, key, tmp_path) -> None:
    (tmp_path / "x.sealed").write_text(json.dumps({"v": 2}))
    outcome = hallmark("envelope", "open", "x.sealed", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (3, "ENVELOPE_FILE_INVALID")
    assert hallmark("envelope", "seal", "-", "--key", key).code == 2
