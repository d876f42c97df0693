"""Revocation lists: what is read, what is refused, who may have signed them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding

from attestation import CollateralError, EvidenceError, Reason
from attestation.crl import MAX_CRL_BYTES, parse_crl
from attestation.der import parse
from attestation.testing import asn1
from attestation.testing.certificates import KeyKind, extension, name, new_key, spki_of
from attestation.testing.crl import CrlRequest, issue_crl
from attestation.x509 import parse_name

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
KEY = new_key(KeyKind.EC_P256)
RSA_KEY = new_key(KeyKind.RSA_2048)
KEY_COMPROMISE = x509.ReasonFlags.key_compromise
ISSUER = name(common="Throw-away CA")
REQUEST = CrlRequest(
    issuer=ISSUER,
    this_update=NOW,
    next_update=NOW + timedelta(days=30),
    revoked={0x0A0B: NOW - timedelta(days=1), 2**127: NOW - timedelta(days=2)},
)


def test_fields_are_read():
    data = issue_crl(REQUEST, signer=KEY)
    crl = parse_crl(data)
    assert crl.issuer == parse_name(parse(ISSUER))
    assert (crl.this_update, crl.next_update) == (REQUEST.this_update, REQUEST.next_update)
    assert dict(crl.revoked) == {"a0b": NOW - timedelta(days=1), "8" + "0" * 31: NOW - timedelta(days=2)}
    assert crl.revoked_at("a0b") == NOW - timedelta(days=1)
    assert crl.revoked_at("0a0b") is None  # serials have no leading zeros
    crl.check_signature(spki_of(KEY))


def test_lists_of_another_library_are_read():
    builder = x509.CertificateRevocationListBuilder(
        issuer_name=x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "CA")]), last_update=NOW, next_update=NOW
    )
    entry = x509.RevokedCertificateBuilder(77, NOW).add_extension(x509.CRLReason(KEY_COMPROMISE), critical=False)
    builder = builder.add_revoked_certificate(entry.build()).add_extension(x509.CRLNumber(5), critical=False)
    pss = padding.PSS(padding.MGF1(hashes.SHA384()), hashes.SHA384.digest_size)
    signed = builder.sign(RSA_KEY, hashes.SHA384(), rsa_padding=pss)
    crl = parse_crl(signed.public_bytes(Encoding.DER))
    assert set(crl.revoked) == {"4d"}
    crl.check_signature(spki_of(RSA_KEY))


@pytest.mark.parametrize("kind", KeyKind)
def test_signatures_of_every_kind_of_key(kind: KeyKind):
    key = new_key(kind)
    crl = parse_crl(issue_crl(REQUEST, signer=key))
    crl.check_signature(spki_of(key))
    with pytest.raises(EvidenceError) as caught:
        crl.check_signature(spki_of(KEY))
    unsupported = kind in (KeyKind.RSA_2048, KeyKind.ML_DSA_65)
    assert caught.value.reason is (Reason.UNSUPPORTED_ALGORITHM if unsupported else Reason.BAD_COLLATERAL_SIGNATURE)


def test_algorithm_fields_must_agree():
    crl = replace(parse_crl(issue_crl(REQUEST, signer=KEY)), outer_algorithm=b"0\0")
    with pytest.raises(EvidenceError) as caught:
        crl.check_signature(spki_of(KEY))
    assert caught.value.reason is Reason.BAD_COLLATERAL_SIGNATURE


def test_freshness():
    crl = parse_crl(issue_crl(REQUEST, signer=KEY))
    day = timedelta(days=1)
    assert crl.fresh(at=NOW)
    assert crl.fresh(at=NOW - timedelta(minutes=5))
    assert crl.fresh(at=NOW + 30 * day)
    assert not crl.fresh(at=NOW + 30 * day + timedelta(seconds=1))
    assert not crl.fresh(at=NOW - timedelta(minutes=6))
    assert crl.age(at=NOW + day) == day
    endless = parse_crl(issue_crl(replace(REQUEST, next_update=None), signer=KEY))
    assert not endless.fresh(at=NOW)
    first = replace(crl, this_update=datetime(1, 1, 1, tzinfo=UTC))
    assert first.fresh(at=NOW)


def test_a_list_without_entries():
    assert not parse_crl(issue_crl(replace(REQUEST, revoked={}), signer=KEY)).revoked


def test_more_entries_than_other_structures_may_have():
    crl = parse_crl(issue_crl(replace(REQUEST, revoked=dict.fromkeys(range(1, 3000), NOW)), signer=KEY))
    assert len(crl.revoked) == 2999


@pytest.mark.parametrize("oid", ["2.5.29.27", "2.5.29.28", "1.2.3"])
def test_lists_that_mean_something_else_are_refused(oid: str):
    """Delta lists and lists of a scope (RFC 5280, 5.2.4 and 5.2.5) say so in a critical extension."""
    with pytest.raises(CollateralError, match="not known"):
        parse_crl(issue_crl(replace(REQUEST, extensions=(extension(oid, b"", critical=True),)), signer=KEY))
    parse_crl(issue_crl(replace(REQUEST, extensions=(extension("1.2.3", b""),)), signer=KEY))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x30\x00",
        bytes(MAX_CRL_BYTES + 1),
        issue_crl(REQUEST, signer=KEY) + b"\0",
        issue_crl(REQUEST, signer=KEY)[:-1],
        asn1.sequence(asn1.sequence(asn1.integer(0)), asn1.sequence(), asn1.bits(b"")),
        asn1.sequence(asn1.sequence(), asn1.sequence(), asn1.bits(b"")),
        issue_crl(replace(REQUEST, revoked={2**300: NOW}), signer=KEY),
    ],
    ids=["empty", "no parts", "oversize", "trailing", "cut", "version 1 written", "no fields", "long serial"],
)
def test_anything_else_is_refused(data: bytes):
    with pytest.raises(CollateralError):
        parse_crl(data)
