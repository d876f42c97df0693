"""Chains that come without their root: who may end them, and what must hold on the way."""

from dataclasses import replace
from datetime import timedelta

import pytest

from attestation import Format, Reason, TrustAnchor
from attestation.testing.authenticator import Leaf, distinguished_name, root_certificate, virtual_ca, virtual_root
from attestation.testing.certificates import KeyKind, extension, new_key, spki_of
from attestation.trust_path import find_path
from attestation.x509 import parse_certificate

ROOT = virtual_root("Root of the test")


def anchor(key, **changes) -> TrustAnchor:
    return replace(TrustAnchor("test", frozenset(Format), spki_of(key), "this test"), **changes)


def leaf_for(now, *, extensions=()):
    begin, end = now - timedelta(days=1), now + timedelta(days=1)
    subject = distinguished_name(common="leaf")
    spki = spki_of(new_key(KeyKind.EC_P256))
    return Leaf(subject=subject, spki=spki, extensions=extensions or (extension("1.2.3.4", b""),), begin=begin, end=end)


def reasons(chain, anchors, now, **how):
    path = find_path(tuple(map(parse_certificate, chain)), anchors, at=now, **how)
    return tuple(finding.reason for finding in (*path.findings, *path.dates))


@pytest.fixture
def chain(now):
    return leaf_for(now).under(virtual_ca(ROOT, "CA of the test", now=now))


def test_a_root_that_is_not_sent_is_found_by_its_signature(chain, now):
    other = anchor(new_key(KeyKind.EC_P256), name="other")
    path = find_path(tuple(map(parse_certificate, chain)), (other, anchor(ROOT.key)), at=now)
    assert (path.anchor.name, path.findings, path.dates) == ("test", (), ())


def test_a_root_that_is_sent_is_found_by_its_key(chain, now):
    assert reasons((*chain, root_certificate(ROOT, now=now)), (anchor(ROOT.key),), now) == ()


def test_a_sent_root_of_nobody_is_untrusted(chain, now):
    assert reasons((*chain, root_certificate(ROOT, now=now)), (), now) == (Reason.UNTRUSTED_ROOT,)


def test_an_issuing_ca_may_be_the_anchor(now):
    ca = virtual_ca(ROOT, "CA of the test", now=now)
    assert reasons(leaf_for(now).under(ca), (anchor(ca.key),), now) == ()


def test_a_root_that_another_is_said_to_have_issued_is_not_the_vendors(now):
    ca = virtual_ca(ROOT, "CA of the test", now=now)
    assert reasons(leaf_for(now).under(ca), (anchor(ca.key, is_root=True),), now) == (Reason.INCOMPLETE_CHAIN,)


def test_a_leaf_is_an_anchor_only_where_it_signs(now):
    ca = virtual_ca(ROOT, "CA of the test", now=now)
    chain = leaf_for(now).under(ca)
    pinned = replace(anchor(ROOT.key), spki=parse_certificate(chain[0]).spki)
    assert reasons(chain, (pinned,), now) == (Reason.UNTRUSTED_ROOT,)
    assert reasons(chain, (pinned,), now, leaf_may_be_anchor=True) == ()


def test_a_broken_signature_below_a_known_name_is_called_so(chain, now):
    broken = (chain[0], chain[1][:-1] + bytes([chain[1][-1] ^ 1]))
    named = anchor(ROOT.key, common_name="Root of the test")
    assert Reason.BAD_SIGNATURE in reasons(broken, (named,), now)
    assert reasons(broken, (anchor(ROOT.key),), now)[0] is Reason.UNTRUSTED_ROOT


def test_order_and_issuers_are_checked(chain, now):
    anchors = (anchor(ROOT.key),)
    assert Reason.BROKEN_CHAIN in reasons(chain[::-1], anchors, now)
    low = leaf_for(now).under(virtual_ca(virtual_ca(ROOT, "upper", now=now), "lower", now=now))
    assert reasons(low, anchors, now) == (Reason.ISSUER_NOT_CA,)  # the upper one allows none below it


def test_unknown_critical_extensions_of_the_leaf_are_refused(now):
    odd = leaf_for(now, extensions=(extension("1.2.3.4", b"", critical=True),))
    assert reasons(odd.under(ROOT), (anchor(ROOT.key),), now) == (Reason.CERTIFICATE_PROFILE,)


def test_dates_of_certificates_and_anchors(chain, now):
    anchors = (anchor(ROOT.key),)
    assert reasons(chain, anchors, now + timedelta(days=2)) == (Reason.EXPIRED,)
    assert reasons(chain, anchors, now - timedelta(days=2)) == (Reason.NOT_YET_VALID,)
    day = timedelta(days=1)
    assert reasons(chain, (anchor(ROOT.key, not_after=now - day),), now) == (Reason.EXPIRED,)
    assert reasons(chain, (anchor(ROOT.key, not_before=now + day),), now) == (Reason.NOT_YET_VALID,)
