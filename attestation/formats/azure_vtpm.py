"""Azure confidential VMs: a quote of the virtual TPM, whose key the report of the CPU (SEV-SNP or TDX) vouches for.

The chain, from the hardware up, and the steps in the order in which their findings are listed:

 1. bounds; parts known and at most once; HCL report, runtime data and signature can be read (else MALFORMED)
 2. the report of the TEE is authentic (the judges of SEV-SNP and TDX, with the anchors of their makers)
 3. it was made for the runtime data: its report data are their hash, padded with zeros; and on SEV-SNP by the paravisor
    (VMPL 0), because what runs below it may ask for reports with any report data, too
 4. copies of runtime data and AK that came apart from the HCL report are the same
 5. the AK in the runtime data signed the statement, which is a quote
 6. an AK certificate, where there is one, is for this AK, under an anchor for attestation keys
 7. the register values are those quoted, the event log replays to them, the qualifying data are the challenge
 8. the key to enrol is the AK, or a key bound into the qualifying data

Only authentic evidence is appraised: by the policy of the TEE, and by that for TPMs. The public area of the AK is not
part of the evidence, so its attributes are what Azure's paravisor is trusted for, like all of the virtual TPM. TDs of
Azure run without SEPT_VE_DISABLE: accept them with IntelPolicy(tdx=TdxPolicy(required_attributes=0)).
"""

import hashlib
import hmac
from dataclasses import dataclass, replace
from typing import Final

from attestation.case import Case
from attestation.claims import Claims, DeviceIdentity, Freshness, VendorValue
from attestation.errors import EvidenceError
from attestation.formats import intel, sev_snp, tpm_parts
from attestation.formats.azure_hcl import HclReport, HclTee, RuntimeData, parse_hcl_report, parse_runtime_data
from attestation.formats.sev_snp_evidence import evidence as snp_evidence
from attestation.formats.sev_snp_report import Report
from attestation.formats.tpm_appraisal import (
    appraise_boot,
    appraise_clock,
    appraise_hashes,
    appraise_kind,
    appraise_registers,
    appraise_revocation,
)
from attestation.formats.tpm_claims import boot_claims, measurements, statement_claims
from attestation.formats.tpm_keys import Trust, TrustInputs, trust_ak
from attestation.formats.tpm_parts import Registers, TpmParts, register_parts, sort_parts
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
from attestation.model import CERTIFICATE, Evidence, Expectation, Finding, Format, Judgement, Part
from attestation.policy_tpm import TpmKind
from attestation.public_key import describe_key
from attestation.reasons import Reason, Unchecked
from attestation.secure_boot import unknown_events
from attestation.tpm_structures import AttestType, QuoteInfo, TpmSignature, parse_signature

HCL_REPORT: Final = "hcl-report"
TD_QUOTE: Final = "td-quote"
RUNTIME_DATA: Final = "runtime-data"  # a copy beside the HCL report
PARAVISOR_VMPL: Final = 0
AK_KEY: Final = "ak-key"  # a copy of the AK beside the runtime data, DER SubjectPublicKeyInfo

_SINGLE: Final = frozenset(
    {
        HCL_REPORT, TD_QUOTE, RUNTIME_DATA, AK_KEY, tpm_parts.ATTEST, tpm_parts.SIGNATURE, tpm_parts.EVENT_LOG,
        tpm_parts.AK_CERTIFICATE,
    }
)  # fmt: skip


def evidence(
    *,
    attest: bytes,
    signature: bytes,
    hcl_report: bytes,
    registers: Registers,
    td_quote: bytes | None = None,
    certificates: tuple[bytes, ...] = (),
    event_log: bytes | None = None,
) -> Evidence:
    """TPMS_ATTEST, TPMT_SIGNATURE and HCL report as the vTPM gives them (NV index 0x01400001), register values, and the
    TD quote, or for SNP the VCEK certificate and perhaps its issuers (DER).
    """
    single = [Part(tpm_parts.ATTEST, attest), Part(tpm_parts.SIGNATURE, signature), Part(HCL_REPORT, hcl_report)]
    single += [] if td_quote is None else [Part(TD_QUOTE, td_quote)]
    single += [] if event_log is None else [Part(tpm_parts.EVENT_LOG, event_log)]
    chain = tuple(Part(CERTIFICATE, bytes(der)) for der in certificates)
    return Evidence(Format.AZURE_VTPM, (*single, *register_parts(registers), *chain))


@dataclass(frozen=True, slots=True)
class AzureFacts:
    """What was read from the evidence."""

    parts: TpmParts
    hcl: HclReport
    runtime: RuntimeData
    signature: TpmSignature
    statement: Statement
    log: LogResult

    @property
    def quote(self) -> QuoteInfo | None:
        found = self.statement.attest.attested if self.statement.attest else None
        return found if isinstance(found, QuoteInfo) else None


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    facts = _read(sort_parts(case.evidence, single=_SINGLE))
    tee = _judge_tee(facts, case)
    trust = _trust_certificate(facts, case)
    findings = [
        *(finding for finding in tee.findings if finding.reason.breaks_authenticity),
        *_check_copies(facts),
        *facts.statement.findings,
        *trust.findings,
        *_check_quote(facts, case),
    ]
    if not findings:
        findings = [*tee.findings, *_appraise(facts, trust, case)]
    return Judgement(tuple(findings), _claims(facts, tee.claims), _not_checked(facts, tee, trust, case))


def _read(parts: TpmParts) -> AzureFacts:
    hcl = parse_hcl_report(parts.need(HCL_REPORT))
    if hcl.tee is HclTee.SNP and parts.get(TD_QUOTE) is not None:
        raise EvidenceError("evidence has a TD quote beside an SNP report")
    runtime = parse_runtime_data(hcl.runtime_data)
    signature = parse_signature(parts.need(tpm_parts.SIGNATURE))
    statement = read_statement(
        parts.need(tpm_parts.ATTEST), signature, spki=runtime.ak_spki, scheme=None, expected=AttestType.QUOTE
    )
    facts = AzureFacts(parts, hcl, runtime, signature, statement, LogResult(None))
    log = parts.get(tpm_parts.EVENT_LOG)
    if log is None or facts.quote is None:
        return facts
    return replace(facts, log=check_event_log(log, facts.quote, parts.registers))


def _judge_tee(facts: AzureFacts, case: Case) -> Judgement:
    """Steps 2 and 3: the TEE's own judge, asked whether its report was made for the hash of the runtime data."""
    wanted = hashlib.new(facts.hcl.hash_name, facts.hcl.runtime_data).digest()
    judged = replace(case, evidence=_tee_evidence(facts), expectation=Expectation(wanted))
    try:
        judgement = sev_snp.judge(judged) if facts.hcl.tee is HclTee.SNP else intel.judge(judged)
    except EvidenceError as error:
        return Judgement((Finding(error.reason, f"report of the TEE: {error.detail}"),), Claims())
    return replace(judgement, findings=tuple(map(_as_binding, judgement.findings)))


def _tee_evidence(facts: AzureFacts) -> Evidence:
    match facts.hcl.tee:
        case HclTee.SNP:
            return snp_evidence(report=facts.hcl.report, certificates=facts.parts.intermediates)
        case HclTee.TDX:
            return Evidence(Format.INTEL_TDX, (Part(intel.QUOTE, facts.parts.need(TD_QUOTE)),))


def _as_binding(finding: Finding) -> Finding:
    """What the TEE's judge calls the challenge is here the hash of the runtime data."""
    if finding.reason is not Reason.CHALLENGE_MISMATCH:
        return finding
    return Finding(Reason.BINDING_MISMATCH, "the report of the TEE was not made for these runtime data")


def _check_copies(facts: AzureFacts) -> list[Finding]:
    """Steps 3 (who asked) and 4. A TD quote has nothing but its report data in common with the HCL report."""
    findings: list[Finding] = []
    if facts.hcl.tee is HclTee.SNP and (vmpl := Report(facts.hcl.report).vmpl) != PARAVISOR_VMPL:
        findings.append(
            Finding(Reason.BINDING_MISMATCH, f"the report was asked for at VMPL {vmpl}, not by the paravisor")
        )
    if facts.parts.get(RUNTIME_DATA) not in (None, facts.hcl.runtime_data):
        findings.append(Finding(Reason.BINDING_MISMATCH, "runtime data differ from those in the HCL report"))
    if facts.parts.get(AK_KEY) not in (None, facts.runtime.ak_spki):
        findings.append(Finding(Reason.BINDING_MISMATCH, "the AK is not the one in the runtime data"))
    if facts.hcl.tee is HclTee.TDX:
        digest = hashlib.new(facts.hcl.hash_name, facts.hcl.runtime_data).digest()
        if facts.hcl.td_report_data != digest.ljust(64, b"\0"):
            findings.append(Finding(Reason.BINDING_MISMATCH, "the TDREPORT was not made for these runtime data"))
    return findings


def _trust_certificate(facts: AzureFacts, case: Case) -> Trust:
    """Step 6: a second word on the AK, besides the TEE's. The attributes stand in neither."""
    certificate = facts.parts.get(tpm_parts.AK_CERTIFICATE)
    if certificate is None:
        return Trust(not_checked=(Unchecked.AK_ATTRIBUTES,))
    inputs = TrustInputs(facts.parts.intermediates, case.anchors, None, case.policy.tpm, case.at)
    return trust_ak(certificate, inputs, spki=facts.runtime.ak_spki, name=None)


def _check_quote(facts: AzureFacts, case: Case) -> list[Finding]:
    """Steps 7 and 8."""
    attest = facts.statement.attest
    if attest is None:
        return []
    assert facts.quote is not None
    findings = list(check_registers(facts.quote, facts.parts.registers, hash_algorithm=facts.signature.hash_algorithm))
    findings += facts.log.findings
    findings += check_challenge(attest, case.expectation, allow_empty=case.policy.tpm.allow_empty_challenge)
    wanted = case.expectation.key_spki
    bound = wanted is None or binds_key(attest, case.expectation)
    if wanted is not None and not bound and not hmac.compare_digest(wanted, facts.runtime.ak_spki):
        findings.append(Finding(Reason.KEY_MISMATCH, "the attested key is not the key to enrol"))
    return findings


def _appraise(facts: AzureFacts, trust: Trust, case: Case) -> list[Finding]:
    attest, policy, collateral = facts.statement.attest, case.policy.tpm, case.collateral.tpm
    assert attest is not None
    assert facts.quote is not None
    replay = facts.log.replay
    return [
        *appraise_kind(TpmKind.QUOTE, policy),
        *appraise_hashes(facts.signature, attest, policy),
        *appraise_revocation(trust.path, collateral, policy, at=case.at),
        *appraise_clock(attest.clock, collateral.previous if collateral else None, policy),
        *appraise_registers(facts.parts.registers, policy),
        *appraise_boot(secure_boot(facts.quote, replay), unknown_events(replay.log) if replay else (), policy),
    ]


def _claims(facts: AzureFacts, tee: Claims) -> Claims:
    """The TEE's claims, with AK, registers and challenge of the virtual TPM. Its own statements are named `vtpm.*`."""
    attest, replay = facts.statement.attest, facts.log.replay
    vtpm: dict[str, VendorValue] = statement_claims(attest) if attest else {}
    boot = secure_boot(facts.quote, replay) if facts.quote else None
    vtpm |= boot_claims(boot, replay.unexplained if replay else ())
    vendor = dict(tee.vendor) | facts.runtime.claims | {f"vtpm.{name}": value for name, value in vtpm.items()}
    return replace(
        tee,
        device=replace(tee.device or DeviceIdentity(), serial=facts.runtime.vm_id),
        key=describe_key(facts.runtime.ak_spki, purposes=("SIGN",)),
        measurements=(*tee.measurements, *measurements(facts.parts.registers)),
        freshness=Freshness(attest.extra_data) if attest else None,
        vendor=tuple(sorted(vendor.items())),
    )


def _not_checked(facts: AzureFacts, tee: Judgement, trust: Trust, case: Case) -> tuple[Unchecked, ...]:
    collateral = case.collateral.tpm
    unchecked = [*tee.not_checked, *trust.not_checked]
    if case.expectation.key_spki is not None:
        unchecked.remove(Unchecked.KEY_BINDING)  # the TEE's judge was given no key: it attests the runtime data
    if collateral is None or collateral.previous is None:
        unchecked.append(Unchecked.CLOCK)
    if not facts.parts.registers:
        unchecked.append(Unchecked.PCR_VALUES)
    if facts.log.replay is None:
        unchecked.append(Unchecked.EVENT_LOG)
    if not case.policy.tpm.pcrs:
        unchecked.append(Unchecked.MEASUREMENTS)
    return tuple(dict.fromkeys(unchecked))
