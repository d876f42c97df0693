"""Rules of TPM evidence that the catalogue does not show: what is claimed, what was not checked, how trust is found."""

from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import pytest

from attestation import (
    Anchors,
    Collateral,
    Expectation,
    Policy,
    Reason,
    SecurityLevel,
    Unchecked,
    verdict_to_dict,
    verify_case,
)
from attestation.crl import parse_crl
from attestation.formats import tpm_parts
from attestation.formats.tpm_parts import certificates, quote, tpm_evidence
from attestation.formats.tpm_quote import qualifying_data
from attestation.model import CERTIFICATE, Part
from attestation.policy_tpm import TpmKind, TpmPolicy
from attestation.testing.certificates import spki_of
from attestation.testing.tpm import CHALLENGE, activated_case, activation, crl, enrolled, good_case
from attestation.testing.tpm_wire import name_of
from attestation.testing.virtual_tpm import VirtualTpm, VirtualTpmMaker
from attestation.tpm_collateral import ClockRecord, TpmCollateral

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TPM = VirtualTpm.create(VirtualTpmMaker.create(now=NOW))
CASE = good_case(TPM, now=NOW)
ALONE = Policy(tpm=TpmPolicy(kinds=frozenset({TpmKind.CERTIFICATE})))


def reasons(case):
    return verify_case(case).reasons


def test_claims_of_a_quote():
    verdict = verify_case(CASE)
    claims, vendor = verdict.claims, dict(verdict.claims.vendor)
    assert claims.security_level is SecurityLevel.TPM
    assert claims.key.spki == spki_of(TPM.ak)
    assert (claims.key.origin, claims.key.purposes) == ("GENERATED", ("SIGN",))
    assert claims.freshness.challenge == CHALLENGE
    assert claims.anchor == "virtual/throw-away"
    assert {item.name: item.digest for item in claims.measurements} == {
        f"sha256:{index}": value for index, value in TPM.registers["sha256"].items()
    }
    assert vendor["ak_attributes"] == "fixedTPM fixedParent sensitiveDataOrigin userWithAuth restricted sign"
    assert (vendor["clock_ms"], vendor["reset_count"], vendor["restart_count"], vendor["clock_safe"]) == (
        10**6,
        5,
        2,
        True,
    )
    assert vendor["firmware_version"] == "0x0001000200030004"
    assert vendor["pcr_selection"] == "sha256:0,7,16"
    assert (vendor["secure_boot"], vendor["secure_boot_db_entries"], vendor["secure_boot_dbx_entries"]) == (True, 1, 1)
    assert verdict_to_dict(verdict)["claims"]["vendor"]["ak_name"] == name_of(TPM.ak_public).hex()


def test_what_a_quote_leaves_unchecked():
    assert verify_case(CASE).not_checked == (
        Unchecked.AK_ATTRIBUTES, Unchecked.KEY_BINDING, Unchecked.REVOCATION, Unchecked.CLOCK, Unchecked.MEASUREMENTS
    )  # fmt: skip


def test_enrolment_by_name_is_said_and_needs_no_certificate():
    single = TPM.quote(CHALLENGE)
    bare = quote(
        attest=single[tpm_parts.ATTEST], signature=single[tpm_parts.SIGNATURE], ak_public=TPM.ak_public,
        registers=TPM.registers,
    )  # fmt: skip
    verdict = verify_case(enrolled(replace(CASE, evidence=bare), name_of(TPM.ak_public)))
    assert verdict.appraised
    assert verdict.not_checked[0] is Unchecked.ENROLLED_KEY
    assert Unchecked.AK_ATTRIBUTES not in verdict.not_checked
    assert Unchecked.EVENT_LOG in verdict.not_checked
    assert verdict.claims.anchor is None


def test_enrolment_by_name_does_not_cover_other_attributes_of_the_same_key():
    loose = TPM.with_ak(attributes=TPM.ak_fields.attributes | 1 << 10)
    case = enrolled(good_case(loose, now=NOW), name_of(TPM.ak_public))
    assert reasons(case)[0] is Reason.UNTRUSTED_ROOT  # it has a certificate, but nobody's anchor is left


def test_values_without_quote_are_not_claimed():
    single = TPM.certify(TPM.ak, CHALLENGE)
    case = replace(CASE, evidence=TPM.attest(single, now=NOW))
    assert verify_case(case).claims.measurements == ()


def test_signature_comes_before_what_was_signed():
    """Bytes that nobody signed are named so first, whatever else they say."""
    single = TPM.quote(CHALLENGE)
    attest = single[tpm_parts.ATTEST]
    changed = {**single, tpm_parts.ATTEST: b"\0" + attest[1:]}
    assert reasons(replace(CASE, evidence=TPM.attest(changed, now=NOW)))[0] is Reason.BAD_SIGNATURE


def test_the_scheme_of_the_ak_binds_its_signatures():
    """An AK for SHA-384 does not sign with SHA-256; a signature that verifies so was made outside of a TPM."""
    strict = TPM.with_ak(scheme_hash=0x000C)
    loose = TPM.quote(CHALLENGE)
    single = {**loose, tpm_parts.AK_PUBLIC: strict.ak_public, tpm_parts.AK_NAME: name_of(strict.ak_public)}
    assert reasons(replace(CASE, evidence=TPM.attest(single, now=NOW)))[0] is Reason.BAD_SIGNATURE


@pytest.mark.parametrize("size", [1, 64, 65, 128])
def test_challenges_of_any_size(size):
    challenge = bytes(range(size))
    evidence = TPM.attest(TPM.quote(qualifying_data(challenge)), now=NOW)
    assert verify_case(replace(CASE, evidence=evidence, expectation=Expectation(challenge))).appraised


def test_a_hashed_short_challenge_is_another_challenge():
    evidence = TPM.attest(TPM.quote(qualifying_data(CHALLENGE, key_spki=b"")), now=NOW)
    assert reasons(replace(CASE, evidence=evidence))[0] is Reason.CHALLENGE_MISMATCH


def test_an_empty_challenge_counts_only_where_none_was_sent():
    """The policy for evidence without challenge does not accept a wrong one."""
    policy = Policy(tpm=TpmPolicy(allow_empty_challenge=True))
    case = replace(CASE, policy=policy, expectation=Expectation(b"another challenge"))
    assert reasons(case)[0] is Reason.CHALLENGE_MISMATCH
    empty = verify_case(replace(CASE, policy=policy, evidence=TPM.attest(TPM.quote(b""), now=NOW)))
    assert empty.appraised
    assert Unchecked.CHALLENGE in empty.not_checked


@pytest.mark.parametrize(
    ("record", "behind"),
    [
        (ClockRecord(1_000_000, 5, 2), False),
        (ClockRecord(999_999, 5, 1), False),
        (ClockRecord(1_000_000, 4, 9), False),
        (ClockRecord(0, 2**32 - 1, 0), False),  # counters run modulo 2^32, behind a constant that nobody knows
        (ClockRecord(0, 5, 3), True),
        (ClockRecord(0, 6, 0), True),
        (ClockRecord(1_000_001, 4, 0), True),  # the clock is safe, so a reset does not turn it back
    ],
)
def test_clock(record, behind):
    case = replace(CASE, collateral=Collateral(tpm=TpmCollateral(previous=record)))
    assert (Reason.CLOCK_ROLLED_BACK in reasons(case)) is behind


def test_a_certificate_alone_says_that_it_proves_nothing():
    evidence = certificates(ek=(TPM.ek_certificate(now=NOW),))
    verdict = verify_case(replace(CASE, evidence=evidence, policy=ALONE))
    assert verdict.appraised
    assert {Unchecked.CHALLENGE, Unchecked.POSSESSION} <= set(verdict.not_checked)
    assert (verdict.claims.device.manufacturer, verdict.claims.device.model) == ("id:56495254", "VTPM")
    assert verdict.claims.vendor_claim("tpm_version") == "id:00010002"


def test_every_certificate_counts():
    """A good EK certificate does not carry a foreign one along."""
    other = VirtualTpm.create(VirtualTpmMaker.create(now=NOW))
    evidence = certificates(ek=(TPM.ek_certificate(now=NOW), other.ek_certificate(now=NOW)))
    assert reasons(replace(CASE, evidence=evidence, policy=ALONE))[0] is Reason.BAD_SIGNATURE


def test_an_enrolled_certificate_needs_no_issuer_but_keeps_its_dates():
    der = TPM.ak_certificate(now=NOW)
    listed = Collateral(tpm=TpmCollateral(enrolled_certificates=frozenset({sha256(der).digest()})))
    case = replace(CASE, evidence=certificates(ak=der), policy=ALONE, anchors=Anchors(()), collateral=listed)
    assert verify_case(case).appraised
    assert reasons(replace(case, at=datetime(2028, 1, 1, tzinfo=UTC))) == (Reason.EXPIRED,)
    another = TPM.ak_certificate(now=NOW)
    assert reasons(replace(case, evidence=certificates(ak=another)))[0] is Reason.UNTRUSTED_ROOT


def test_the_issuer_may_come_along_but_is_not_trusted():
    maker = VirtualTpmMaker.create(now=NOW)
    evidence = certificates(ek=(TPM.ek_certificate(now=NOW),), intermediates=(TPM.maker.ca.certificate,))
    assert verify_case(replace(CASE, evidence=evidence, policy=ALONE)).appraised
    case = replace(CASE, evidence=evidence, policy=ALONE, anchors=maker.anchors())
    assert not verify_case(case).authentic


def test_an_activated_credential_names_the_ak():
    single = activation(TPM, now=NOW)
    by_name = {name: data for name, data in single.items() if name != tpm_parts.AK_PUBLIC}
    evidence = tpm_evidence({**by_name, tpm_parts.AK_NAME: name_of(TPM.ak_public)})
    case = activated_case(TPM, now=NOW)
    verdict = verify_case(replace(case, evidence=evidence))
    assert verdict.appraised
    assert verdict.claims.vendor_claim("ak_name") == name_of(TPM.ak_public).hex()
    assert Unchecked.AK_ATTRIBUTES in verdict.not_checked
    key = Expectation(CHALLENGE, spki_of(TPM.ak))
    assert reasons(replace(case, evidence=evidence, expectation=key)) == (Reason.KEY_MISMATCH,)
    assert verify_case(replace(case, expectation=key)).appraised


def test_what_db_may_hold_is_not_shown_by_a_quote_without_log():
    policy = Policy(tpm=TpmPolicy(allowed_db_entries=frozenset({bytes(32)})))
    bare = replace(CASE, policy=policy, evidence=without(CASE.evidence, tpm_parts.EVENT_LOG))
    assert reasons(bare) == (Reason.SECURE_BOOT_DB_NOT_ALLOWED,)


def test_a_statement_of_another_kind_that_nobody_signed_is_first_of_all_not_signed():
    attest = CASE.evidence.named(tpm_parts.ATTEST)[0]
    other = Part(tpm_parts.ATTEST, attest[:4] + b"\x80\x17" + attest[6:])
    parts = (*without(CASE.evidence, tpm_parts.ATTEST).parts, other)
    assert reasons(replace(CASE, evidence=replace(CASE.evidence, parts=parts)))[:2] == (
        Reason.BAD_SIGNATURE,
        Reason.WRONG_TYPE,
    )


def test_other_registers_are_named_before_another_challenge():
    parts = tuple(
        replace(part, data=bytes(32)) if part.name == "pcr.sha256.7" else part for part in CASE.evidence.parts
    )
    changed = replace(CASE, expectation=Expectation(b"another"), evidence=replace(CASE.evidence, parts=parts))
    found = reasons(changed)
    assert (found[0], found[-1]) == (Reason.PCR_DIGEST_MISMATCH, Reason.CHALLENGE_MISMATCH)


def without(evidence, name):
    return replace(evidence, parts=tuple(part for part in evidence.parts if part.name != name))


def test_a_name_of_no_form_is_malformed():
    single = activation(TPM, now=NOW)
    del single[tpm_parts.AK_PUBLIC]
    assert reasons(replace(CASE, evidence=tpm_evidence({**single, tpm_parts.AK_NAME: b"\0\x0b"}))) == (
        Reason.MALFORMED,
    )


@pytest.mark.parametrize(
    "parts",
    [
        (Part(tpm_parts.ATTEST, b""), Part(tpm_parts.ATTEST, b"")),
        (Part("pcr.sha256.7", b""), Part("pcr.sha256.7", b"")),
        (Part("pcr.md5.7", b""),),
        (Part("pcr.sha256", b""),),
        (Part(tpm_parts.AK_PUBLIC, bytes(70_000)),),
        (Part(tpm_parts.EVENT_LOG, bytes(2**20 + 1)),),
        tuple(Part(CERTIFICATE, b"") for _ in range(7)),
        tuple(Part(tpm_parts.EK_CERTIFICATE, b"") for _ in range(5)),
    ],
    ids=["twice", "register twice", "bank", "no index", "large", "large log", "issuers", "EKs"],
)
def test_bounds(parts):
    evidence = replace(CASE.evidence, parts=parts)
    assert reasons(replace(CASE, evidence=evidence)) == (Reason.MALFORMED,)


def test_a_credential_whose_digest_is_known_must_be_that_one():
    single = activation(TPM, now=NOW)
    case = activated_case(TPM, now=NOW, single=single)
    digest = sha256(single[tpm_parts.ID_OBJECT] + single[tpm_parts.ENCRYPTED_SECRET]).digest()

    def knowing(known):
        return replace(
            case, collateral=replace(case.collateral, tpm=replace(case.collateral.tpm, credential_sha256=known))
        )

    assert verify_case(knowing(digest)).appraised
    assert reasons(knowing(sha256(b"another").digest())) == (Reason.BINDING_MISMATCH,)


def test_the_list_of_another_ca_of_the_same_name_is_passed_over_beside_its_own():
    other = replace(TPM, maker=VirtualTpmMaker.create(now=NOW))
    parts = {**TPM.quote(CHALLENGE), tpm_parts.AK_CERTIFICATE: TPM.ak_certificate(now=NOW, serial=77)}
    evidence = tpm_evidence(parts, registers=TPM.registers)
    case = good_case(TPM, now=NOW, evidence=evidence)

    def judged(*lists):
        return reasons(replace(case, collateral=Collateral(tpm=TpmCollateral(crls=tuple(map(parse_crl, lists))))))

    foreign = crl(other, now=NOW, revoked=(77,))
    assert judged(foreign, crl(TPM, now=NOW)) == ()
    assert judged(crl(other, now=NOW), crl(TPM, now=NOW, revoked=(77,))) == (Reason.REVOKED,)
    assert judged(foreign) == (Reason.BAD_COLLATERAL_SIGNATURE,)
