"""The door: good phones are accepted, every way to cheat is refused with its own reason first, nothing ever raises."""

import ast
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

import attestation
from attestation import (
    ArgumentError,
    Collateral,
    Evidence,
    Expectation,
    Part,
    Policy,
    Provisioning,
    Reason,
    SecurityLevel,
    Unchecked,
    verify,
    verify_case,
)
from attestation.anchors import SOFTWARE_ROOTS
from attestation.testing import BROKEN, KeyKind, VirtualPhone, broken_variants, good_case, status_list
from attestation.testing.certificates import CertificateRequest, ca_extensions, issue, name, new_key
from attestation.x509 import parse_certificate


@pytest.mark.parametrize("provisioning", [Provisioning.FACTORY, Provisioning.REMOTE])
@pytest.mark.parametrize("key_kind", KeyKind)
@pytest.mark.parametrize("level", [SecurityLevel.TEE, SecurityLevel.STRONGBOX])
def test_good_phones_are_accepted(vendor, now, provisioning, key_kind, level):
    phone = VirtualPhone.create(vendor, now=now, provisioning=provisioning, key_kind=key_kind, level=level)
    verdict = verify_case(good_case(vendor, phone, now=now))
    assert (verdict.authentic, verdict.appraised, verdict.findings) == (True, True, ())
    assert verdict.claims.security_level is level
    assert verdict.claims.vendor_claim("provisioning") == provisioning
    assert verdict.claims.anchor == "virtual-vendor"


@pytest.mark.parametrize("name", BROKEN)
def test_broken_evidence_is_refused_with_its_reason_first(vendor, phone, now, name):
    (variant,) = (found for found in broken_variants(vendor, phone, now=now) if found.name == name)
    verdict = verify_case(variant.case)
    assert verdict.reasons[0] is variant.reason
    assert not verdict.appraised
    assert verdict.authentic is not variant.reason.breaks_authenticity
    assert all(finding.detail for finding in verdict.findings)


@pytest.mark.parametrize("spki", SOFTWARE_ROOTS)
def test_a_software_root_is_named_as_one(vendor, phone, now, spki):
    subject = name(common="Software Root")
    request = CertificateRequest(subject=subject, spki=spki, not_before=now, not_after=now, extensions=ca_extensions())
    root = issue(request, issuer=subject, signer=new_key(KeyKind.EC_P256))
    case = good_case(vendor, phone, now=now)
    chain = (*case.evidence.named("certificate")[:-1], root)
    reasons = verify_case(replace(case, evidence=Evidence.android(chain))).reasons
    assert Reason.SOFTWARE_ROOT in reasons
    assert Reason.UNTRUSTED_ROOT not in reasons


def test_the_same_inputs_give_an_equal_verdict(vendor, phone, now):
    case = good_case(vendor, phone, now=now)
    assert verify_case(case) == verify_case(replace(case))
    later = verify_case(replace(case, at=now + timedelta(seconds=1)))
    assert later != verify_case(case)
    assert later.inputs == verify_case(case).inputs


def test_every_input_has_its_digest(vendor, phone, now):
    case = good_case(vendor, phone, now=now)
    changed = {
        "evidence": replace(case, evidence=phone.attest(b"another")),
        "expectation": replace(case, expectation=Expectation(b"another")),
        "anchors": replace(case, anchors=type(case.anchors)(())),
        "collateral": replace(case, collateral=Collateral()),
        "policy": replace(case, policy=Policy(name="another")),
    }
    before = verify_case(case).inputs
    for field, other in changed.items():
        after = verify_case(other).inputs
        differ = {name for name in changed if getattr(before, name) != getattr(after, name)}
        assert differ == {field}


def test_key_binding(vendor, phone, now):
    key = phone.generate_key(b"enrol")
    case = replace(
        good_case(vendor, phone, now=now), evidence=key.evidence, expectation=Expectation(b"enrol", key.spki)
    )
    verdict = verify_case(case)
    assert verdict.appraised
    assert Unchecked.KEY_BINDING not in verdict.not_checked
    assert Unchecked.KEY_BINDING in verify_case(replace(case, expectation=Expectation(b"enrol"))).not_checked


def test_nothing_is_hidden_when_several_things_are_wrong(vendor, phone, now):
    case = good_case(vendor, phone.changed(origin=2), now=now)
    reasons = verify_case(replace(case, expectation=Expectation(b"x"), at=now + timedelta(days=30))).reasons
    assert reasons == (Reason.EXPIRED, Reason.CHALLENGE_MISMATCH, Reason.KEY_NOT_GENERATED)


def test_claims_of_refused_evidence_are_still_told(vendor, phone, now):
    case = good_case(vendor, phone.changed(locked=False), now=now)
    verdict = verify_case(replace(case, expectation=Expectation(b"x")))
    assert not verdict.authentic
    assert verdict.claims.boot.locked is False


def test_parts_of_other_kinds_are_malformed(vendor, phone, now):
    case = good_case(vendor, phone, now=now)
    evidence = replace(case.evidence, parts=(*case.evidence.parts, Part("quote", b"")))
    assert verify_case(replace(case, evidence=evidence)).reasons == (Reason.MALFORMED,)


def test_anchor_periods_are_kept(vendor, phone, now):
    case = good_case(vendor, phone, now=now)
    (anchor,) = case.anchors.items
    day = timedelta(days=1)

    def reasons(**period: datetime) -> tuple[Reason, ...]:
        return verify_case(replace(case, anchors=type(case.anchors)((replace(anchor, **period),)))).reasons

    assert reasons(not_before=now - day, not_after=now + day) == ()
    assert reasons(not_before=now + day) == (Reason.NOT_YET_VALID,)
    assert reasons(not_after=now - day) == (Reason.EXPIRED,)


def test_revoked_in_a_stale_list_is_still_revoked(vendor, phone, now):
    serial = parse_certificate(phone.attester.chain[-1]).serial
    stale = Collateral(status_list({serial: "REVOKED"}, fetched_at=now - timedelta(days=9)))
    verdict = verify_case(replace(good_case(vendor, phone, now=now), collateral=stale))
    assert verdict.reasons == (Reason.REVOKED, Reason.STATUS_LIST_STALE)
    assert verdict.authentic


@pytest.mark.parametrize("challenge", [b"", bytes(1025)])
def test_a_challenge_that_cannot_be_is_the_callers_mistake(challenge):
    with pytest.raises(ArgumentError):
        Expectation(challenge)


def test_a_key_of_no_bytes_is_the_callers_mistake():
    """It would be met by evidence that names no key."""
    with pytest.raises(ArgumentError):
        Expectation(b"enrol", b"")


def test_a_time_without_zone_is_the_callers_mistake(vendor, phone, now):
    case = good_case(vendor, phone, now=now)
    with pytest.raises(ArgumentError):
        verify(
            case.evidence,
            expectation=case.expectation,
            anchors=case.anchors,
            collateral=case.collateral,
            policy=case.policy,
            at=datetime(2026, 1, 1),
        )


def test_the_package_reads_no_clock_no_network_and_no_chance():
    """Only the evidence factory and the loaders of samples may: `verify` has everything from its arguments."""
    folder = Path(attestation.__file__).parent
    outside = {folder / "testing", folder / "samples"}
    sources = [path for path in folder.rglob("*.py") if not outside & set(path.parents)]
    assert len(sources) > 20
    for path in sources:
        tree = ast.parse(path.read_text())
        imported = {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
        imported |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not {name.partition(".")[0] for name in imported} & {
            "os",
            "pathlib",
            "random",
            "secrets",
            "socket",
            "time",
        }
        called = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not called & {"now", "utcnow", "today"}, path
