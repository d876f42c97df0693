"""TPM 2.0: is this the word of a genuine TPM, made for this challenge, about these registers or this key?

Four kinds of evidence, told apart by their parts (attestation.formats.tpm_parts): a quote, a certification of a key, an
activated credential, a certificate alone. This file judges the first two, attestation.formats.tpm_enrolment the others.
The steps, in the order in which their findings are listed:

 1. bounds; parts known and at most once; AK and signature can be read (else MALFORMED and nothing more)
 2. the AK signed the statement; magic TPM_GENERATED; a quote, or a certification where a key is to be certified
 3. the AK is a restricted signing key, fixed to its TPM and made there; names are those of the public areas
 4. the AK is enrolled by the caller, or has a certificate under an anchor for attestation keys
 5. quote: the register values given are exactly those quoted; certification: the name is that of the key given, which
    was made in this TPM and cannot leave it
 6. quote: the boot event log, where there is one, replays to the quoted values
 7. the qualifying data are the challenge (attestation.formats.tpm_quote.qualifying_data)
 8. the key to enrol is the certified key; without one, the AK itself or a key bound into the qualifying data

Only authentic evidence is appraised (attestation.formats.tpm_appraisal).
Source: TPM 2.0 Library 1.59, Parts 1 and 2; TCG PC Client Platform Firmware Profile 1.06.
"""

import hmac
from dataclasses import dataclass

from attestation.case import Case
from attestation.claims import Claims, VendorValue
from attestation.formats import tpm_enrolment, tpm_parts
from attestation.formats.tpm_appraisal import (
    appraise_boot,
    appraise_clock,
    appraise_hashes,
    appraise_kind,
    appraise_registers,
    appraise_revocation,
    covered,
)
from attestation.formats.tpm_claims import assemble, boot_claims, key_claim, statement_claims
from attestation.formats.tpm_keys import Trust, TrustInputs, check_ak, check_certified, check_name, trust_ak
from attestation.formats.tpm_parts import TpmParts, sort_parts
from attestation.formats.tpm_quote import (
    LogResult,
    Statement,
    binds_key,
    check_challenge,
    check_event_log,
    check_registers,
    read_statement,
    secure_boot,
)
from attestation.model import Finding, Judgement
from attestation.policy_tpm import TpmKind
from attestation.reasons import Reason, Unchecked
from attestation.secure_boot import SecureBoot, unknown_events
from attestation.tpm_structures import (
    AttestType,
    CertifyInfo,
    CreationInfo,
    QuoteInfo,
    TpmAttest,
    TpmPublic,
    TpmSignature,
    parse_public,
    parse_signature,
)


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    parts = sort_parts(case.evidence)
    if parts.get(tpm_parts.ATTEST) is None:
        return tpm_enrolment.judge(case, parts)
    facts = read(parts)
    trust = trust_ak(
        parts.get(tpm_parts.AK_CERTIFICATE), trust_inputs(case, parts), spki=facts.ak.spki, name=facts.ak.name
    )
    log = _replay(facts)
    boot = secure_boot(facts.quote, log.replay) if facts.quote else None
    findings = [*facts.statement.findings, *_check_ak(facts), *trust.findings]
    if facts.attest is not None:
        findings += _check_attested(facts)
        findings += log.findings
        findings += check_challenge(facts.attest, case.expectation, allow_empty=case.policy.tpm.allow_empty_challenge)
        findings += _check_key(facts, case)
    claims = _claims(facts, trust, log, boot)
    not_checked = _not_checked(facts, case, trust, log)
    if not findings and facts.attest is not None:
        findings = _appraise(facts, facts.attest, trust, log, boot, case)
    return Judgement(tuple(findings), claims, not_checked)


@dataclass(frozen=True, slots=True)
class TpmFacts:
    """What was read from the evidence, before any judgement of its keys."""

    parts: TpmParts
    ak: TpmPublic
    certified: TpmPublic | None
    signature: TpmSignature
    statement: Statement

    @property
    def attest(self) -> TpmAttest | None:
        return self.statement.attest

    @property
    def quote(self) -> QuoteInfo | None:
        found = self.attest.attested if self.attest else None
        return found if isinstance(found, QuoteInfo) else None

    @property
    def kind(self) -> TpmKind:
        return TpmKind.QUOTE if self.certified is None else TpmKind.CERTIFY


def read(parts: TpmParts) -> TpmFacts:
    ak = parse_public(parts.need(tpm_parts.AK_PUBLIC))
    certified = parts.get(tpm_parts.CERTIFIED_PUBLIC)
    signature = parse_signature(parts.need(tpm_parts.SIGNATURE))
    wanted = AttestType.QUOTE if certified is None else AttestType.CERTIFY
    statement = read_statement(parts.need(tpm_parts.ATTEST), signature, spki=ak.spki, scheme=ak.scheme, expected=wanted)
    return TpmFacts(parts, ak, None if certified is None else parse_public(certified), signature, statement)


def trust_inputs(case: Case, parts: TpmParts) -> TrustInputs:
    return TrustInputs(parts.intermediates, case.anchors, case.collateral.tpm, case.policy.tpm, case.at)


def _check_ak(facts: TpmFacts) -> list[Finding]:
    """Step 3."""
    findings = [*check_ak(facts.ak), *check_name(facts.parts.get(tpm_parts.AK_NAME), facts.ak, what="AK")]
    return [*findings, *_check_creation(facts)]


def _check_creation(facts: TpmFacts) -> list[Finding]:
    """The AK's own word on its creation, where it came along: TPM2_CertifyCreation with the name of this AK."""
    message = facts.parts.get(tpm_parts.CREATION_ATTEST)
    if message is None:
        return []
    signature = parse_signature(facts.parts.need(tpm_parts.CREATION_SIGNATURE))
    statement = read_statement(
        message, signature, spki=facts.ak.spki, scheme=facts.ak.scheme, expected=AttestType.CREATION
    )
    findings = [Finding(item.reason, f"creation: {item.detail}") for item in statement.findings]
    if statement.attest is None:
        return findings
    attested = statement.attest.attested
    assert isinstance(attested, CreationInfo)
    findings += check_name(attested.name, facts.ak, what="created key")
    data = facts.parts.get(tpm_parts.CREATION_DATA)
    if data is not None and not facts.ak.hash_matches(data, attested.creation_hash):
        findings.append(Finding(Reason.BINDING_MISMATCH, "creation: the data are not those that were hashed"))
    return findings


def _check_attested(facts: TpmFacts) -> list[Finding]:
    """Step 5."""
    if facts.quote is not None:
        hash_algorithm = facts.signature.hash_algorithm
        return list(check_registers(facts.quote, facts.parts.registers, hash_algorithm=hash_algorithm))
    attested = facts.attest.attested if facts.attest else None
    if facts.certified is None or not isinstance(attested, CertifyInfo):
        return []
    return [
        *check_name(attested.name, facts.certified, what="certified key"),
        *check_name(facts.parts.get(tpm_parts.CERTIFIED_NAME), facts.certified, what="certified key"),
        *check_certified(facts.certified),
    ]


def _check_key(facts: TpmFacts, case: Case) -> list[Finding]:
    """Step 8."""
    wanted = case.expectation.key_spki
    if wanted is None or facts.attest is None:
        return []
    attested = facts.ak.spki if facts.certified is None else facts.certified.spki
    bound = facts.certified is None and binds_key(facts.attest, case.expectation)
    if bound or hmac.compare_digest(wanted, attested):
        return []
    return [Finding(Reason.KEY_MISMATCH, "the attested key is not the key to enrol")]


def _replay(facts: TpmFacts) -> LogResult:
    """Step 6."""
    data = facts.parts.get(tpm_parts.EVENT_LOG)
    if data is None or facts.quote is None:
        return LogResult(None)
    return check_event_log(data, facts.quote, facts.parts.registers)


def _appraise(
    facts: TpmFacts, attest: TpmAttest, trust: Trust, log: LogResult, boot: SecureBoot | None, case: Case
) -> list[Finding]:
    policy, collateral = case.policy.tpm, case.collateral.tpm
    unknown = unknown_events(log.replay.log) if log.replay else ()
    return [
        *appraise_kind(facts.kind, policy),
        *appraise_hashes(facts.signature, attest, policy),
        *appraise_revocation(trust.path, collateral, policy, at=case.at),
        *appraise_clock(attest.clock, collateral.previous if collateral else None, policy),
        *appraise_registers(facts.parts.registers if facts.quote else {}, policy),
        *appraise_boot(boot, unknown, policy),
    ]


def _claims(facts: TpmFacts, trust: Trust, log: LogResult, boot: SecureBoot | None) -> Claims:
    attest = facts.attest
    vendor: dict[str, VendorValue] = {
        "ak_attributes": " ".join(facts.ak.attribute_names),
        "ak_name": facts.ak.name.hex(),
    }
    if attest is not None:
        vendor |= statement_claims(attest)
    vendor |= boot_claims(boot, log.replay.unexplained if log.replay else ())
    return assemble(
        key=key_claim(facts.certified or facts.ak),
        path=trust.path,
        challenge=attest.extra_data if attest else None,
        registers=facts.parts.registers if facts.quote else None,
        vendor=vendor,
    )


def _not_checked(facts: TpmFacts, case: Case, trust: Trust, log: LogResult) -> tuple[Unchecked, ...]:
    collateral = case.collateral.tpm
    unchecked = list(trust.not_checked)
    if case.expectation.key_spki is None:
        unchecked.append(Unchecked.KEY_BINDING)
    if facts.attest is not None and not facts.attest.extra_data:
        unchecked.append(Unchecked.CHALLENGE)
    if not covered(trust.path, collateral):
        unchecked.append(Unchecked.REVOCATION)
    if collateral is None or collateral.previous is None:
        unchecked.append(Unchecked.CLOCK)
    if facts.quote is not None:
        if not facts.parts.registers:
            unchecked.append(Unchecked.PCR_VALUES)
        if log.replay is None:
            unchecked.append(Unchecked.EVENT_LOG)
        if not case.policy.tpm.pcrs:
            unchecked.append(Unchecked.MEASUREMENTS)
    return tuple(unchecked)
