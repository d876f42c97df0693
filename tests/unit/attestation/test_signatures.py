import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import EvidenceError, Reason
from attestation.public_key import describe_key
from attestation.signatures import check_signature, load_key, weakness
from attestation.testing import asn1
from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.testing.vendor import VirtualVendor
from attestation.x509 import parse_certificate


@pytest.mark.parametrize("kind", KeyKind)
def test_every_kind_of_issuer_key(kind, now):
    vendor = VirtualVendor.create(now=now, kind=kind)
    certificate = parse_certificate(vendor.certificate)
    check_signature(certificate, certificate.spki)
    other = spki_of(new_key(kind))
    with pytest.raises(EvidenceError) as caught:
        check_signature(certificate, other)
    assert caught.value.reason is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("kind", KeyKind)
def test_algorithm_and_key_must_fit(kind, now):
    certificate = parse_certificate(VirtualVendor.create(now=now, kind=kind).certificate)
    other = KeyKind.RSA_2048 if kind is not KeyKind.RSA_2048 else KeyKind.EC_P256
    with pytest.raises(EvidenceError) as caught:
        check_signature(certificate, spki_of(new_key(other)))
    assert caught.value.reason is Reason.UNSUPPORTED_ALGORITHM


def test_both_algorithm_fields_must_agree(vendor):
    """The outer field is not signed: it may not say anything else than the inner one."""
    inner = bytes.fromhex("06082a8648ce3d040303")
    head, _, tail = vendor.certificate.rpartition(inner)
    certificate = parse_certificate(head + bytes.fromhex("06082a8648ce3d040302") + tail)
    with pytest.raises(EvidenceError, match="differ") as caught:
        check_signature(certificate, certificate.spki)
    assert caught.value.reason is Reason.BAD_SIGNATURE


def spki(key) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def test_strength():
    assert weakness(spki(rsa.generate_private_key(65537, 1024))) is not None
    assert weakness(spki(ec.generate_private_key(ec.SECP256K1()))) is not None
    assert weakness(b"\x30\x00") is not None
    for kind in KeyKind:
        assert weakness(spki_of(new_key(kind))) is None


def rsa_spki(*, bits: int, exponent: int) -> bytes:
    numbers = asn1.sequence(asn1.integer(2**bits - 1), asn1.integer(exponent))
    algorithm = asn1.sequence(asn1.oid("1.2.840.113549.1.1.1"), asn1.null())
    return asn1.sequence(algorithm, asn1.bits(numbers))


@pytest.mark.parametrize("key", [rsa_spki(bits=8200, exponent=3), rsa_spki(bits=2048, exponent=2**40 + 1), bytes(5000)])
def test_sizes_are_capped(key):
    with pytest.raises(EvidenceError):
        load_key(key)


@pytest.mark.parametrize(
    ("kind", "algorithm", "size_bits", "curve"),
    [
        (KeyKind.EC_P256, "EC", 256, "P-256"),
        (KeyKind.EC_P384, "EC", 384, "P-384"),
        (KeyKind.RSA_2048, "RSA", 2048, None),
        (KeyKind.ML_DSA_65, "ML-DSA-65", None, None),
    ],
)
def test_keys_are_described_without_loading_them(kind, algorithm, size_bits, curve):
    claim = describe_key(spki_of(new_key(kind)))
    assert (claim.algorithm, claim.size_bits, claim.curve) == (algorithm, size_bits, curve)


@pytest.mark.parametrize("data", [b"", b"\x30\x00", asn1.sequence(asn1.sequence(), asn1.bits(b"")), b"\x05\x00"])
def test_a_key_that_cannot_be_described_is_unknown(data):
    assert describe_key(data).algorithm == "UNKNOWN"
