"""The certificate view, checked against the `cryptography` package where that can read the same bytes."""

from datetime import UTC, datetime

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from attestation import EvidenceError
from attestation.testing import asn1
from attestation.testing.certificates import (
    CertificateRequest,
    KeyKind,
    ca_extensions,
    extension,
    issue,
    key_usage,
    name,
    new_key,
    spki_of,
)
from attestation.x509 import BASIC_CONSTRAINTS, COMMON_NAME, TITLE, parse_certificate

BEGIN, END = datetime(1970, 1, 1, tzinfo=UTC), datetime(2106, 2, 7, 6, 28, 15, tzinfo=UTC)


@pytest.fixture(scope="module")
def key():
    return new_key(KeyKind.EC_P256)


def make(key, *, serial: int | None = 1, extensions: tuple[bytes, ...] = ca_extensions(), subject: bytes | None = None):
    request = CertificateRequest(
        subject=subject or name(common="x"),
        spki=spki_of(key),
        not_before=BEGIN,
        not_after=END,
        extensions=extensions,
        serial=serial,
    )
    return issue(request, issuer=name(common="issuer", title="TEE"), signer=key)


def test_agrees_with_cryptography(key):
    data = make(key, serial=0xAB, extensions=(*ca_extensions(path_length=3), extension("1.2.3", b"\x05\x00")))
    ours, theirs = parse_certificate(data), x509.load_der_x509_certificate(data)
    assert int(ours.serial, 16) == theirs.serial_number
    assert ours.tbs == theirs.tbs_certificate_bytes
    assert ours.signature == theirs.signature
    assert ours.spki == theirs.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert ours.valid_between() == (theirs.not_valid_before_utc, theirs.not_valid_after_utc)
    assert ours.basic_constraints().path_length == 3
    assert ours.may_sign_certificates()
    assert [extension.oid for extension in ours.extensions] == [found.oid.dotted_string for found in theirs.extensions]
    assert (ours.subject.get(COMMON_NAME), ours.issuer.get(TITLE)) == ("x", "TEE")
    assert not ours.self_issued


def test_serials_are_hex_without_leading_zeros(key):
    assert parse_certificate(make(key, serial=0x0D50FF25BA3F2D6B3)).serial == "d50ff25ba3f2d6b3"
    assert parse_certificate(make(key, serial=0)).serial == "0"


def test_names_do_not_depend_on_the_kind_of_string(key):
    printable = name(common="x").replace(b"\x0c\x01x", b"\x13\x01x")
    assert parse_certificate(make(key, subject=printable)).subject == parse_certificate(make(key)).subject


def test_a_certificate_that_says_nothing_is_no_ca(key):
    parsed = parse_certificate(make(key, extensions=(extension("1.2.3", b""),)))
    assert not parsed.basic_constraints().ca
    assert not parsed.may_sign_certificates()
    assert not parse_certificate(make(key, extensions=(key_usage(0),))).may_sign_certificates()


@pytest.mark.parametrize("value", [b"", b"\x30\x03\x01\x01\x01", asn1.sequence(asn1.boolean(True), asn1.integer(-1))])
def test_basic_constraints_that_cannot_be_read(key, value):
    parsed = parse_certificate(make(key, extensions=(extension(BASIC_CONSTRAINTS, value),)))
    with pytest.raises(EvidenceError):
        parsed.basic_constraints()


def test_dates_are_read_only_when_asked(key):
    data = make(key).replace(b"700101000000Z", b"70??01000000Z")
    parsed = parse_certificate(data)
    with pytest.raises(EvidenceError):
        parsed.valid_between()


def test_lengths_longer_than_needed_are_read_as_they_stand(key):
    """`cryptography` refuses such a certificate; secure elements that fill templates make them."""
    subject = b"\x30\x82\x00" + name(common="x")[1:]
    data = make(key, subject=subject)
    with pytest.raises(ValueError, match="parsing"):
        x509.load_der_x509_certificate(data)
    assert parse_certificate(data).subject.get(COMMON_NAME) == "x"


CHANGES = {
    "cut short": lambda data: data[:-1],
    "trailing byte": lambda data: data + b"\x00",
    "version 2": lambda data: data.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x01"),
    "three certificates": lambda data: asn1.sequence(data, data, data),
    "one part": asn1.sequence,
    "too large": lambda _: bytes(17 * 1024),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_no_certificate_is_refused(key, change):
    with pytest.raises(EvidenceError):
        parse_certificate(CHANGES[change](make(key)))


def test_an_extension_may_stand_once_and_not_too_many_in_all(key):
    with pytest.raises(EvidenceError, match="twice"):
        parse_certificate(make(key, extensions=(key_usage(0), key_usage(5))))
    with pytest.raises(EvidenceError, match="at most"):
        parse_certificate(make(key, extensions=tuple(extension(f"1.2.{i}", b"") for i in range(33))))
