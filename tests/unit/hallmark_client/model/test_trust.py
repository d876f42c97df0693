"""Keys out of a verified bundle."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_client import PlainPublicKey, SignatureInvalid, VerificationFailed
from hallmark_client.model.bundle_payload import BundleKey, BundleVersion
from hallmark_client.model.trust import VerifiedBundle

NOW = datetime(2026, 11, 21, tzinfo=UTC)
NAME = "tenants/default/keys/plain/versions/1"
PRIVATE = ed25519.Ed25519PrivateKey.generate()


def bundle(spki: bytes) -> VerifiedBundle:
    version = BundleVersion(
        name=NAME,
        algorithm="Ed25519",
        state="ACTIVE",
        spki=spki,
        public_key=b"",
        activate_time=NOW,
        deactivate_time=None,
        compromise_time=None,
        revoke_time=None,
        destroy_time=None,
    )
    name = NAME.partition("/versions")[0]
    key = BundleKey(name=name, purpose="SIGN", aliases=(), revoke_time=None, versions=(version,))
    return VerifiedBundle(tenant="default", sequence=1, issued=NOW, not_after=NOW + timedelta(days=7), keys=(key,))


def test_a_plain_key_out_of_a_bundle_verifies() -> None:
    spki = PRIVATE.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    key = bundle(spki).public_key(NAME, at=NOW)
    assert isinstance(key, PlainPublicKey)
    fact = key.verify(PRIVATE.sign(b"weights"), [b"wei", b"ghts"])
    assert fact.public_key_sha256 == key.fingerprint().hex()
    with pytest.raises(SignatureInvalid):
        key.verify(PRIVATE.sign(b"other"), [b"weights"])


def test_a_key_that_is_none_is_named() -> None:
    with pytest.raises(VerificationFailed, match=NAME) as refused:
        bundle(b"").public_key(NAME, at=NOW)
    assert refused.value.reason == "PUBLIC_KEY_INVALID"
