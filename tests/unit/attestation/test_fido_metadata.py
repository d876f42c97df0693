"""FIDO metadata: read once, believed only with its signature, asked by model and day."""

import json
from base64 import urlsafe_b64encode
from datetime import UTC, date, datetime, time, timedelta, timezone

import pytest

from attestation.errors import CollateralError
from attestation.fido_metadata import parse_metadata
from attestation.testing.authenticator import root_certificate, virtual_root
from attestation.testing.certificates import spki_of
from attestation.testing.fido_metadata import entry, write_blob

ROOT = virtual_root("Metadata root of the test")
MODEL = b"model of 16 byte"


def encode(value) -> bytes:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")


def test_entries_are_found_by_model_and_by_key(now):
    by_key = {"attestationCertificateKeyIdentifiers": ["ab" * 20]} | {
        name: value for name, value in entry(MODEL, "FIDO_CERTIFIED").items() if name != "aaguid"
    }
    found = parse_metadata(write_blob(ROOT, [entry(MODEL, "REVOKED"), by_key, {"aaid": "1234#5678"}], now=now))
    assert found.find(MODEL, None).statuses(at=now) == {"REVOKED"}
    assert found.find(bytes(16), bytes.fromhex("ab" * 20)).statuses(at=now) == {"FIDO_CERTIFIED"}
    assert found.find(b"another model...", None) is None
    assert found.number == 7


@pytest.mark.parametrize("hours", [-12, 0, 14])
def test_days_are_those_of_utc_whatever_zone_the_time_is_in(now, hours):
    from_now = entry(MODEL, "REVOKED", effective=now.date())
    found = parse_metadata(write_blob(ROOT, [from_now], now=now)).find(MODEL, None)
    zone = timezone(timedelta(hours=hours))
    midnight = datetime.combine(now.date(), time.min, tzinfo=UTC)
    assert found.statuses(at=midnight.astimezone(zone)) == {"REVOKED"}
    assert found.statuses(at=(midnight - timedelta(seconds=1)).astimezone(zone)) == set()


def test_statuses_count_from_their_day(now):
    later = entry(MODEL, "REVOKED", effective=now.date() + timedelta(days=1))
    found = parse_metadata(write_blob(ROOT, [later], now=now)).find(MODEL, None)
    assert found.statuses(at=now) == set()
    assert found.statuses(at=now + timedelta(days=1)) == {"REVOKED"}


def test_it_is_current_to_the_end_of_its_last_day(now):
    found = parse_metadata(write_blob(ROOT, [], now=now, next_update=now.date()))
    assert found.current(at=now)
    assert not found.current(at=now + timedelta(days=1))


def test_roots_are_keys_and_unreadable_ones_vouch_for_nothing(now):
    some_root = virtual_root("some root")
    found = entry(MODEL, roots=(root_certificate(some_root, now=now), b"\x30\x00"))
    assert parse_metadata(write_blob(ROOT, [found], now=now)).find(MODEL, None).roots == (spki_of(some_root.key),)


def test_every_byte_is_signed(now):
    blob = write_blob(ROOT, [entry(MODEL, "FIDO_CERTIFIED")], now=now)
    for index in range(0, len(blob) - 1, 29):  # the last character has bits that stand for nothing
        changed = bytearray(blob)
        changed[index] = ord("A") if changed[index] != ord("A") else ord("B")
        with pytest.raises(CollateralError):
            parse_metadata(bytes(changed))


NOT_JWT = {
    "two parts": lambda header, payload, signature: (header, payload),
    "unsigned": lambda header, payload, signature: (encode({"alg": "none"}), payload, b""),
    "header is a list": lambda header, payload, signature: (encode([]), payload, signature),
    "header is no base64url": lambda header, payload, signature: (b"!", payload, signature),
    "no certificate": lambda header, payload, signature: (encode({"x5c": ["AA=="]}), payload, signature),
    "certificate is a number": lambda header, payload, signature: (encode({"x5c": [7]}), payload, signature),
}


@pytest.mark.parametrize("name", NOT_JWT)
def test_what_is_not_a_signed_jwt_is_refused(now, name):
    with pytest.raises(CollateralError):
        parse_metadata(b".".join(NOT_JWT[name](*write_blob(ROOT, [], now=now).split(b"."))))


@pytest.mark.parametrize(
    "wrong",
    [
        {"aaguid": "no model"},
        {"statusReports": None},
        {"statusReports": [{}]},
        {"statusReports": [{"status": "REVOKED", "effectiveDate": "soon"}]},
        {"metadataStatement": []},
        {"metadataStatement": {"attestationRootCertificates": "x"}},
        {"attestationCertificateKeyIdentifiers": ["xyz"]},
    ],
)
def test_entries_with_fields_of_wrong_types_are_refused(now, wrong):
    with pytest.raises(CollateralError):
        parse_metadata(write_blob(ROOT, [entry(MODEL, "FIDO_CERTIFIED") | wrong], now=now))


def test_the_digest_is_that_of_the_file(now):
    first, second = (write_blob(ROOT, [], now=now, next_update=date(2030, 1, day)) for day in (1, 2))
    assert parse_metadata(first).sha256 != parse_metadata(second).sha256
    assert parse_metadata(first) == parse_metadata(first)
