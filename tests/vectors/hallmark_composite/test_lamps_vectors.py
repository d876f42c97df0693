"""The working group's own composite vectors: signatures, contexts, private keys, self-signed certificates."""

import base64
import json
from pathlib import Path
from typing import Any, ClassVar

import pytest
from asn1crypto import x509 as asn1_x509
from asn1crypto.core import Integer, ObjectIdentifier, OctetString, Sequence
from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_der_private_key

from composite_keys import ML_DSA, SoftwareCompositeKey
from hallmark_composite import (
    ALGORITHMS,
    CompositeCertificate,
    CompositePublicKey,
    InvalidSignature,
    algorithm_by_name,
    algorithm_by_oid,
    verify,
    verify_certificate,
)


class AlgorithmIdentifier(Sequence):
    _fields: ClassVar = [("oid", ObjectIdentifier)]


class PrivateKeyInfo(Sequence):
    """PKCS#8 without the algorithms asn1crypto knows (RFC 5958)."""

    _fields: ClassVar = [("version", Integer), ("algorithm", AlgorithmIdentifier), ("private_key", OctetString)]


class Vector:
    def __init__(self, document: dict[str, Any], name: str) -> None:
        [test] = [test for test in document["tests"] if test["tcId"] == name]
        self.algorithm = algorithm_by_name(name)
        self.message, self.context = base64.b64decode(document["m"]), base64.b64decode(document["ctx"])
        self.fields = {
            field: base64.b64decode(test[field]) for field in ("pk", "x5c", "sk", "sk_pkcs8", "s", "sWithContext")
        }
        self.public_key = CompositePublicKey.from_bytes(self.algorithm, self.fields["pk"])


@pytest.fixture(params=ALGORITHMS)
def vector(request: pytest.FixtureRequest, vectors: Path) -> Vector:
    return Vector(json.loads((vectors / "crypto/composite-mldsa/testvectors.json").read_text()), request.param)


def test_both_signatures_verify(vector: Vector) -> None:
    verify(vector.public_key, vector.fields["s"], message=vector.message)
    verify(vector.public_key, vector.fields["sWithContext"], message=vector.message, context=vector.context)


def test_signatures_do_not_verify_under_the_other_context(vector: Vector) -> None:
    with pytest.raises(InvalidSignature):
        verify(vector.public_key, vector.fields["s"], message=vector.message, context=vector.context)
    with pytest.raises(InvalidSignature):
        verify(vector.public_key, vector.fields["sWithContext"], message=vector.message)


def test_the_certificate_verifies_offline_with_nothing_but_this_library(vector: Vector) -> None:
    certificate = CompositeCertificate.from_der(vector.fields["x5c"])
    fact = verify_certificate(certificate, certificate.public_key)
    assert fact.certificate.public_key.raw == vector.fields["pk"]
    assert certificate.algorithm is vector.algorithm


def test_the_certificate_holds_the_key_and_verifies_with_it(vector: Vector) -> None:
    certificate = x509.load_der_x509_certificate(vector.fields["x5c"])
    spki = asn1_x509.Certificate.load(vector.fields["x5c"])["tbs_certificate"]["subject_public_key_info"].dump()
    public_key = CompositePublicKey.from_spki_der(spki)
    assert public_key == vector.public_key
    assert public_key.to_spki_der() == spki
    assert algorithm_by_oid(certificate.signature_algorithm_oid.dotted_string) is vector.algorithm
    verify(public_key, certificate.signature, message=certificate.tbs_certificate_bytes)
    with pytest.raises(InvalidSignature):
        verify(public_key, certificate.signature, message=certificate.tbs_certificate_bytes + b"\x00")


def test_the_private_key_makes_signatures_that_verify(vector: Vector) -> None:
    info = PrivateKeyInfo.load(vector.fields["sk_pkcs8"], strict=True)
    assert algorithm_by_oid(info["algorithm"]["oid"].dotted) is vector.algorithm
    private = info["private_key"].native
    assert private == vector.fields["sk"]
    seed, ec_private_key = private[:32], private[32:]
    key = SoftwareCompositeKey(
        vector.algorithm,
        ML_DSA[vector.algorithm.ml_dsa].from_seed_bytes(seed),
        load_der_private_key(ec_private_key, None),
    )
    assert key.public_key == vector.public_key
    verify(vector.public_key, key.sign(vector.message, b"ctx"), message=vector.message, context=b"ctx")
