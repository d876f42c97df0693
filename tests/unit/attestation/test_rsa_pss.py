"""Parameters of RSASSA-PSS: what signs and verifies, and every way to write parameters that must not count."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives import hashes

from attestation import EvidenceError, Reason
from attestation.signatures import verify_signature
from attestation.testing import asn1
from attestation.testing.amd import rsa_key
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.pss import AMD_PSS, Pss

KEY = rsa_key(0)
MESSAGE = b"message"
SIGNATURE = AMD_PSS.sign(KEY, MESSAGE)

PSS = "1.2.840.113549.1.1.10"
MGF1 = "1.2.840.113549.1.1.8"
SHA384 = asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.2"), asn1.null())
HASH = asn1.explicit(0, SHA384)
MASK = asn1.explicit(1, asn1.sequence(asn1.oid(MGF1), SHA384))
SALT = asn1.explicit(2, asn1.integer(48))


def verify(identifier: bytes, *, signature: bytes = SIGNATURE, spki: bytes | None = None) -> None:
    verify_signature(MESSAGE, signature, algorithm=identifier, signer_spki=spki or spki_of(KEY))


def identifier(*parameters: bytes) -> bytes:
    return asn1.sequence(asn1.oid(PSS), asn1.sequence(*parameters))


@pytest.mark.parametrize("trailer", [None, 1])
@pytest.mark.parametrize("digest", [hashes.SHA256(), hashes.SHA384()])
def test_signatures_that_count(digest, trailer):
    pss = Pss(digest=digest, salt_bytes=digest.digest_size, trailer=trailer)
    verify(pss.identifier(), signature=pss.sign(KEY, MESSAGE))
    with pytest.raises(EvidenceError) as caught:
        verify(pss.identifier(), signature=pss.sign(rsa_key(1), MESSAGE))
    assert caught.value.reason is Reason.BAD_SIGNATURE


def test_hash_identifiers_without_null_are_read():
    bare = asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.2"))
    verify(identifier(asn1.explicit(0, bare), asn1.explicit(1, asn1.sequence(asn1.oid(MGF1), bare)), SALT))


UNSUPPORTED = {
    "no parameters": asn1.sequence(asn1.oid(PSS)),
    "empty parameters": identifier(),
    "hash left out": identifier(MASK, SALT),
    "mask left out": identifier(HASH, SALT),
    "salt left out": identifier(HASH, MASK),
    "SHA-1": replace(AMD_PSS, digest=hashes.SHA1(), salt_bytes=20).identifier(),
    "another mask hash": replace(AMD_PSS, mask_digest=hashes.SHA256()).identifier(),
    "another mask": identifier(HASH, asn1.explicit(1, asn1.sequence(asn1.oid(PSS), SHA384)), SALT),
    "mask without its hash": identifier(HASH, asn1.explicit(1, asn1.sequence(asn1.oid(MGF1))), SALT),
    "short salt": replace(AMD_PSS, salt_bytes=32).identifier(),
    "no salt": replace(AMD_PSS, salt_bytes=0).identifier(),
    "trailer 2": replace(AMD_PSS, trailer=2).identifier(),
}
MALFORMED = {
    "hash twice": identifier(HASH, HASH, MASK, SALT),
    "out of order": identifier(MASK, HASH, SALT),
    "unknown parameter": identifier(HASH, MASK, SALT, asn1.explicit(4, asn1.integer(1))),
    "parameter without tag": identifier(SHA384, MASK, SALT),
    "hash with other parameters": identifier(
        asn1.explicit(0, asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.2"), asn1.integer(1))), MASK, SALT
    ),
    "parameters are no sequence": asn1.sequence(asn1.oid(PSS), asn1.integer(1)),
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_unsupported(name):
    with pytest.raises(EvidenceError) as caught:
        verify(UNSUPPORTED[name])
    assert caught.value.reason is Reason.UNSUPPORTED_ALGORITHM


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed(name):
    with pytest.raises(EvidenceError) as caught:
        verify(MALFORMED[name])
    assert caught.value.reason is Reason.MALFORMED


def test_only_rsa_keys_sign_so():
    with pytest.raises(EvidenceError) as caught:
        verify(AMD_PSS.identifier(), spki=spki_of(new_key(KeyKind.EC_P384)))
    assert caught.value.reason is Reason.UNSUPPORTED_ALGORITHM


def test_pss_and_pkcs1_are_not_mixed_up():
    with pytest.raises(EvidenceError) as caught:
        verify(asn1.sequence(asn1.oid("1.2.840.113549.1.1.12"), asn1.null()))
    assert caught.value.reason is Reason.BAD_SIGNATURE
