"""Certificates with composite signatures, made here and verified offline."""

import pytest

from composite_keys import SoftwareCompositeKey
from hallmark_composite import (
    MLDSA44_ECDSA_P256_SHA256,
    MLDSA65_ECDSA_P256_SHA512,
    CompositeAlgorithm,
    CompositeCertificate,
    InvalidSignature,
    MalformedCertificate,
    MalformedPublicKey,
    verify_certificate,
)
from hallmark_composite.encoding import encode_spki

NAME = bytes.fromhex("300d310b3009060355040613025858")
VALIDITY = bytes.fromhex("301e170d3236313132313132303030305a170d3336313132313132303030305a")


def _der(tag: int, *parts: bytes) -> bytes:
    content = b"".join(parts)
    if len(content) < 0x80:
        return bytes((tag, len(content))) + content
    size = len(content).to_bytes(4, "big").lstrip(b"\0")
    return bytes((tag, 0x80 | len(size))) + size + content


def _identifier(algorithm: CompositeAlgorithm) -> bytes:
    return _der(0x30, _der(0x06, bytes((0x2B, 6, 1, 5, 5, 7, 6, int(algorithm.oid.rpartition(".")[2])))))


def _issue(
    issuer: SoftwareCompositeKey, spki: bytes, *, inner: bytes | None = None, version: bool = True
) -> tuple[bytes, bytes]:
    """The certificate and its TBSCertificate."""
    identifier = _identifier(issuer.algorithm)
    fields = [_der(0x02, b"\x07"), identifier if inner is None else inner, NAME, VALIDITY, NAME, spki]
    tbs = _der(0x30, *([_der(0xA0, _der(0x02, b"\x02"))] if version else []), *fields)
    signature = issuer.sign(tbs)
    return _der(0x30, tbs, identifier, _der(0x03, b"\0", signature)), tbs


@pytest.fixture(scope="module")
def issuer() -> SoftwareCompositeKey:
    return SoftwareCompositeKey(MLDSA65_ECDSA_P256_SHA512)


def _spki(key: SoftwareCompositeKey) -> bytes:
    return encode_spki(key.algorithm, key.public_key.raw)


@pytest.mark.parametrize("version", [True, False])
def test_a_chain_of_two(issuer: SoftwareCompositeKey, version: bool) -> None:
    subject = SoftwareCompositeKey(MLDSA44_ECDSA_P256_SHA256)
    der, tbs = _issue(issuer, _spki(subject), version=version)
    certificate = CompositeCertificate.from_der(der)
    fact = verify_certificate(certificate, issuer.public_key)
    assert fact.issuer_key == issuer.public_key
    assert certificate.tbs == tbs
    assert certificate.public_key.raw == subject.public_key.raw
    leaf, _ = _issue(subject, _spki(issuer))
    verify_certificate(CompositeCertificate.from_der(leaf), certificate.public_key)


def test_a_changed_certificate_and_a_wrong_issuer_are_refused(issuer: SoftwareCompositeKey) -> None:
    der, _ = _issue(issuer, _spki(issuer))
    changed = bytearray(der)
    changed[changed.index(b"\x02\x01\x07") + 2] = 8  # the serial number
    with pytest.raises(InvalidSignature):
        verify_certificate(CompositeCertificate.from_der(bytes(changed)), issuer.public_key)
    for other in (MLDSA65_ECDSA_P256_SHA512, MLDSA44_ECDSA_P256_SHA256):
        with pytest.raises(InvalidSignature):
            verify_certificate(CompositeCertificate.from_der(der), SoftwareCompositeKey(other).public_key)


def test_the_two_names_of_the_algorithm_must_agree(issuer: SoftwareCompositeKey) -> None:
    """RFC 5280, section 4.1.1.2."""
    der, _ = _issue(issuer, _spki(issuer), inner=_identifier(MLDSA44_ECDSA_P256_SHA256))
    with pytest.raises(MalformedCertificate, match="different algorithms"):
        CompositeCertificate.from_der(der)


def test_a_subject_key_of_another_kind_is_told_when_it_is_asked_for(issuer: SoftwareCompositeKey) -> None:
    der, _ = _issue(issuer, _der(0x30, _der(0x30, _der(0x06, b"\x2b\x65\x70")), _der(0x03, b"\0" + bytes(32))))
    certificate = CompositeCertificate.from_der(der)
    verify_certificate(certificate, issuer.public_key)
    with pytest.raises(MalformedPublicKey):
        _ = certificate.public_key


@pytest.mark.parametrize("cut", [0, 1, 2, 3, 4, 100, 4000, -1])
def test_what_is_cut_or_grows_is_refused(issuer: SoftwareCompositeKey, cut: int) -> None:
    der, _ = _issue(issuer, _spki(issuer))
    with pytest.raises(MalformedCertificate):
        CompositeCertificate.from_der(der[:cut])
    with pytest.raises(MalformedCertificate):
        CompositeCertificate.from_der(der + b"\0")


def test_lengths_have_one_form() -> None:
    for bad in (
        b"\x30\x80\x00\x00",
        b"\x30\x81\x03\x02\x01\x07",
        b"\x30\x82\x00\x85" + bytes(133),
        b"\x30\x85" + bytes(5),
        b"\x3f\x00",
    ):
        with pytest.raises(MalformedCertificate):
            CompositeCertificate.from_der(bad)
