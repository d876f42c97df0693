"""Paths from EK certificates to anchors: over issuing CAs that come along, or to the key of one."""

from datetime import UTC, datetime, timedelta

import pytest

from attestation import EvidenceError, Format, Reason, TrustAnchor
from attestation.formats.tpm_chain import (
    EK_CERTIFICATE_USAGE,
    check_ek_leaf,
    check_path,
    device_names,
    find_path,
)
from attestation.testing.certificates import (
    CertificateRequest,
    KeyKind,
    ca_extensions,
    issue,
    key_usage,
    name,
    new_key,
    spki_of,
)
from attestation.testing.vendor import VirtualVendor
from attestation.testing.virtual_tpm import KEY_AGREEMENT, usage
from attestation.x509 import parse_certificate

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ROOT = VirtualVendor.create(now=NOW)
CA_KEY, EK = new_key(KeyKind.EC_P256), new_key(KeyKind.EC_P256)
CA_NAME = name(common="Issuing CA")
EK_EXTENSIONS = (key_usage(KEY_AGREEMENT), usage(EK_CERTIFICATE_USAGE))


def certificate(subject, key, *extensions, issuer, signer, days=100):
    request = CertificateRequest(
        subject=subject, spki=spki_of(key), not_before=NOW - timedelta(days=100),
        not_after=NOW + timedelta(days=days), extensions=extensions,
    )  # fmt: skip
    return issue(request, issuer=issuer, signer=signer)


def ca(*extensions, **changes):
    return certificate(
        CA_NAME, CA_KEY, *(extensions or ca_extensions()), issuer=ROOT.subject, signer=ROOT.key, **changes
    )


LEAF = certificate(name(), EK, *EK_EXTENSIONS, issuer=CA_NAME, signer=CA_KEY)
CA = ca()


def anchor(key, common_name=None, **period):
    return TrustAnchor("maker/any", frozenset({Format.TPM}), spki_of(key), "test", common_name=common_name, **period)


ROOT_ANCHOR = anchor(ROOT.key)


def reasons(leaf=LEAF, intermediates=(CA,), anchors=(ROOT_ANCHOR,), at=NOW):
    path = find_path(leaf, intermediates, anchors)
    findings = check_path(path, what="EK certificate", lenient_makers=frozenset({"maker"}), at=at)
    return [finding.reason for finding in findings]


def test_over_an_issuing_ca_to_the_root():
    assert reasons() == []
    assert len(find_path(LEAF, (CA,), (anchor(ROOT.key),)).certificates) == 2


def test_the_key_of_the_issuing_ca_is_enough():
    for name_ in (None, "Issuing CA"):
        assert reasons(intermediates=(), anchors=(anchor(CA_KEY, name_),)) == []


def test_an_anchor_of_another_name_is_not_the_issuer():
    assert reasons(intermediates=(), anchors=(anchor(CA_KEY, "Another CA"),)) == [Reason.UNTRUSTED_ROOT]


def test_an_anchor_of_this_name_did_not_sign():
    assert reasons(intermediates=(), anchors=(anchor(ROOT.key, "Issuing CA"),)) == [Reason.BAD_SIGNATURE]


def test_no_way_to_an_anchor():
    assert reasons(intermediates=()) == [Reason.UNTRUSTED_ROOT]
    assert reasons(anchors=()) == [Reason.UNTRUSTED_ROOT]


def test_issuers_must_be_cas():
    assert reasons(intermediates=(ca(key_usage(KEY_AGREEMENT)),)) == [Reason.ISSUER_NOT_CA]


def test_dates_of_every_certificate_and_of_the_anchor():
    assert reasons(intermediates=(ca(days=-1),)) == [Reason.EXPIRED]
    assert reasons(at=NOW - timedelta(days=200)) == [Reason.NOT_YET_VALID] * 2
    assert reasons(anchors=(anchor(ROOT.key, not_after=NOW - timedelta(days=1)),)) == [Reason.EXPIRED]
    assert reasons(anchors=(anchor(ROOT.key, not_before=NOW + timedelta(days=1)),)) == [Reason.NOT_YET_VALID]


def test_issuers_that_go_in_a_circle():
    first = certificate(name(common="A"), CA_KEY, *ca_extensions(), issuer=name(common="B"), signer=EK)
    second = certificate(name(common="B"), EK, *ca_extensions(), issuer=name(common="A"), signer=CA_KEY)
    assert reasons(leaf=first, intermediates=(second, first)) == [Reason.UNTRUSTED_ROOT]


def test_padding_is_trimmed_for_makers_that_pad():
    path = find_path(LEAF + b"\xff" * 9, (CA,), (anchor(ROOT.key),))
    assert path.departure == "9 bytes of padding"
    found = check_path(path, what="EK certificate", lenient_makers=frozenset(), at=NOW)
    assert [finding.reason for finding in found] == [Reason.NON_DER]


@pytest.mark.parametrize(
    "extensions",
    [ca_extensions(), (key_usage(0),), (key_usage(KEY_AGREEMENT), usage("1.3.6.1.5.5.7.3.1"))],
    ids=["CA", "signs", "for servers"],
)
def test_leaves_that_are_no_ek_certificates(extensions):
    leaf = parse_certificate(certificate(name(), EK, *extensions, issuer=CA_NAME, signer=CA_KEY))
    assert [finding.reason for finding in check_ek_leaf(leaf)] == [Reason.CERTIFICATE_PROFILE]


def test_a_leaf_without_device_names():
    assert device_names(parse_certificate(LEAF)) == {}


def test_bytes_that_are_no_certificate():
    for data in (b"", b"\x30", b"\x30\x00", LEAF + b"tail"):
        with pytest.raises(EvidenceError):
            find_path(data, (), ())
