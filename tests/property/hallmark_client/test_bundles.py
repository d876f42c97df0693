"""Readers of trust bundles raise VerificationFailed only, whatever the bytes; what they read they read right."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client import VerificationFailed, read_public_bundle
from hallmark_client.model.bundle_payload import BundleVersion, read_payload

T0 = datetime(2026, 11, 21, tzinfo=UTC)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
VERSION = {"name": "v", "algorithm": "a", "state": "ACTIVE", "spki": "AA==", "activate": T0.isoformat()}
KEY = {"key": "k", "purpose": "SIGN", "aliases": ["x"], "versions": [VERSION]}
PAYLOAD: dict[str, Any] = {
    "v": 1,
    "tenant": "default",
    "sequence": 3,
    "issued": T0.isoformat(),
    "not_after": (T0 + timedelta(days=7)).isoformat(),
    "keys": [KEY],
}
DOCUMENT = {
    "payload": "AA==",
    "signature": "AA==",
    "key_version": "v",
    "context": "c",
    "sign_time": T0.isoformat(),
    "sequence": 1,
}


def reads(reader, data: bytes) -> bool:
    try:
        reader(data)
    except VerificationFailed:
        return False
    return True


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    for reader in (read_payload, read_public_bundle):
        assert not reads(reader, data)


@given(st.sampled_from(sorted(PAYLOAD)), JSON)
def test_any_member_of_a_payload(member: str, value: Any) -> None:
    reads(read_payload, json.dumps({**PAYLOAD, member: value}).encode())


@given(st.sampled_from(sorted(VERSION)), JSON)
def test_any_member_of_a_version(member: str, value: Any) -> None:
    keys = [{**KEY, "versions": [{**VERSION, member: value}]}]
    reads(read_payload, json.dumps({**PAYLOAD, "keys": keys}).encode())


@given(st.sampled_from(sorted(DOCUMENT)), JSON)
def test_any_member_of_a_document(member: str, value: Any) -> None:
    reads(read_public_bundle, json.dumps({**DOCUMENT, member: value}).encode())


def test_nesting_without_end() -> None:
    for reader in (read_payload, read_public_bundle):
        assert not reads(reader, b"[" * 100_000)
        assert not reads(reader, b'{"keys":' * 100_000)


def test_what_is_right_is_read() -> None:
    content = read_payload(json.dumps(PAYLOAD).encode())
    assert (content.tenant, content.sequence, content.issued) == ("default", 3, T0)
    assert content.keys[0].versions[0].spki == b"\0"
    bundle = read_public_bundle(json.dumps({**DOCUMENT, "payload": base64.b64encode(b"p").decode()}).encode())
    assert (bundle.payload, bundle.sequence, bundle.log) == (b"p", 1, None)


HOURS = st.none() | st.integers(-5, 5)


@given(activate=HOURS, deactivate=HOURS, revoke=HOURS, compromise=HOURS, at=st.integers(-5, 5))
def test_a_version_is_valid_between_its_times(activate, deactivate, revoke, compromise, at) -> None:
    def moment(hours: int | None) -> datetime | None:
        return None if hours is None else T0 + timedelta(hours=hours)

    version = BundleVersion(
        name="v",
        algorithm="a",
        state="DEACTIVATED",
        spki=b"",
        public_key=b"",
        activate_time=moment(activate),
        deactivate_time=moment(deactivate),
        compromise_time=moment(compromise),
        revoke_time=moment(revoke),
        destroy_time=None,
    )
    valid = (
        activate is not None
        and activate <= at
        and (deactivate is None or at <= deactivate)
        and all(end is None or at < end for end in (revoke, compromise))
    )
    if valid:
        version.check_valid(T0 + timedelta(hours=at))
    else:
        with pytest.raises(VerificationFailed):
            version.check_valid(T0 + timedelta(hours=at))
