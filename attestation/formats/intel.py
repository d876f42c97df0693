"""Intel SGX and TDX (DCAP quotes, versions 3 to 5): did Intel's quoting enclave on a genuine platform make this quote?

The steps, in the order in which their findings are listed:

 1. bounds; quote, PCK certificates and event log can be read (else MALFORMED, or what the parser names)
 2. PCK certificate, PCK CA, root: named, signed, CAs; the root's key is one of the caller's anchors; the PCK
    certificate names a platform
 3. the PCK signed the report of the quoting enclave (QE)
 4. that report names the attestation key: its first 32 bytes are SHA-256(key || QE authentication data)
 5. the attestation key signed header and body
 6. the QE is one of Intel's (vendor id)
 7. PCK certificate and PCK CA are valid at this time; the report data is what the caller expects, see below
 8. the event log, where there is one, replays to the RTMRs of the TD
 9. the collateral, where there is any, is signed by Intel; collateral of this TEE names this QE and this TDX module

Only authentic evidence is appraised (attestation.formats.intel_appraisal): debug, collateral of this platform and
fresh, revocation, TCB status, attributes, measurements. Steps 2 to 7 need no collateral; without it the identity of the
QE rests on its certificate alone, and the default policy refuses (TCB_COLLATERAL_MISSING).

Report data (64 bytes). Without a key to bind, it is the challenge, filled up with zeros: a challenge of at most 64
bytes. With `Expectation.key_spki`, it is SHA-512, SHA-384 or SHA-256 of challenge || key_spki, filled up with zeros.

Sources: Intel SGX ECDSA Quote Library Reference; Intel TDX DCAP Quoting Library API; Intel PCS API 4; TCG PC Client
Platform Firmware Profile for the event log.
"""

import hmac
from dataclasses import dataclass, replace
from hashlib import sha256, sha384, sha512
from typing import Final

from attestation.case import Case
from attestation.chain import check_anchor, check_dates, check_issuers, check_links, find_anchor, parse_chain
from attestation.claims import Claims
from attestation.errors import EvidenceError
from attestation.event_log import EventLog, HashId, parse_event_log
from attestation.formats.intel_appraisal import appraise
from attestation.formats.intel_claims import build_claims, tcb_claims
from attestation.formats.intel_endorsements import check_authority, check_fit
from attestation.formats.intel_levels import module_problem, qe_problem
from attestation.formats.intel_pck import Platform, parse_platform
from attestation.formats.intel_quote import REPORT_DATA_BYTES, Quote, TdReport, Tee, parse_quote, quote_tee
from attestation.formats.intel_signatures import check_signatures
from attestation.intel_collateral import IntelCollateral
from attestation.model import Evidence, Expectation, Finding, Format, Judgement, Part
from attestation.pem import pem_certificates
from attestation.reasons import Reason, Unchecked
from attestation.x509 import COMMON_NAME, Certificate

QUOTE: Final = "quote"
EVENT_LOG: Final = "event-log"

_PCK_CERTIFICATES: Final = 3
_FORMATS: Final = {Tee.SGX: Format.INTEL_SGX, Tee.TDX: Format.INTEL_TDX}
_HASHES: Final = (sha512, sha384, sha256)
_FIRST_RTMR_INDEX: Final = 1  # in a CCEL, 0 is MRTD


@dataclass(frozen=True, slots=True)
class IntelFacts:
    """What was read, before any judgement."""

    quote: Quote
    chain: tuple[Certificate, ...]
    platform: Platform | None
    platform_error: EvidenceError | None
    event_log: EventLog | None


@dataclass(frozen=True, slots=True)
class CollateralKey:
    """What to ask Intel's service for: TCB info of this TEE and FMSPC (hex), and the CRL of this PCK CA (its name)."""

    tee: Tee
    fmspc: str
    pck_ca: str


def evidence(quote: bytes, *, event_log: bytes | None = None) -> Evidence:
    """Evidence from a quote as the guest got it, with padding or without; for TDX also the boot event log (CCEL)."""
    parts = (Part(QUOTE, quote), *(() if event_log is None else (Part(EVENT_LOG, event_log),)))
    return Evidence(_FORMATS[quote_tee(quote)], parts)


def collateral_key(quote: bytes) -> CollateralKey:
    """Which collateral a quote needs; EvidenceError when it cannot be read. Nothing is authenticated here."""
    facts = _read_quote(parse_quote(quote), None)
    if facts.platform is None or len(facts.chain) < _PCK_CERTIFICATES:
        raise EvidenceError("quote names no platform", reason=Reason.MISSING_EXTENSION)
    return CollateralKey(facts.quote.tee, facts.platform.fmspc.hex(), facts.chain[1].subject.get(COMMON_NAME) or "")


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    facts = read(case)
    expectation, policy, collateral = case.expectation, case.policy.intel, case.collateral.intel
    binding = _check_report_data(facts.quote.body.report_data, expectation)
    claims = _claims(facts, case, bound_key=None if binding else expectation.key_spki)
    findings = [
        *_check_platform(facts, case),
        *check_signatures(facts.quote, facts.chain[0].spki),
        *check_dates(facts.chain, first=0, last=len(facts.chain) - 1, at=case.at),
        *binding,
        *_check_event_log(facts, policy.tdx.replayed_registers),
    ]
    if collateral is not None:
        findings += check_authority(collateral, case.anchors.for_format(case.evidence.format), at=case.at)
        if not findings:
            findings += _check_identities(facts, collateral)
    not_checked = (Unchecked.KEY_BINDING,) if expectation.key_spki is None else ()
    if findings or facts.platform is None:
        return Judgement(tuple(findings), claims, not_checked)
    appraisal = appraise(
        facts.quote, facts.chain, facts.platform,
        collateral=collateral, policy=policy, event_log=facts.event_log is not None, at=case.at,
    )  # fmt: skip
    if collateral is not None:
        vendor = (*claims.vendor, *tcb_claims(collateral, appraisal.evaluation))
        claims = replace(claims, vendor=tuple(sorted(vendor)))
    return Judgement(appraisal.findings, claims, (*not_checked, *appraisal.not_checked))


def read(case: Case) -> IntelFacts:
    """Parse the evidence within bounds."""
    evidence = case.evidence
    quotes, logs = evidence.named(QUOTE), evidence.named(EVENT_LOG)
    if len(quotes) != 1 or len(logs) > 1 or len(evidence.parts) != 1 + len(logs):
        raise EvidenceError("evidence is not one quote and at most one event log")
    quote = parse_quote(quotes[0])
    if _FORMATS[quote.tee] is not evidence.format:
        raise EvidenceError(f"quote is of {quote.tee}, not {evidence.format}", reason=Reason.WRONG_TYPE)
    if logs and quote.tee is Tee.SGX:
        raise EvidenceError("an enclave has no boot event log")
    return _read_quote(quote, parse_event_log(logs[0]) if logs else None)


def _read_quote(quote: Quote, log: EventLog | None) -> IntelFacts:
    """A PCK certificate without readable SGX extension is a finding, not the end: the chain still counts."""
    chain = parse_chain(pem_certificates(quote.qe.pck_chain, at_most=_PCK_CERTIFICATES))
    try:
        platform, problem = parse_platform(chain[0]), None
    except EvidenceError as error:
        platform, problem = None, error
    return IntelFacts(quote, chain, platform, problem, log)


def _check_platform(facts: IntelFacts, case: Case) -> list[Finding]:
    """Step 2. The root is matched by key, and its period stands with the anchor."""
    chain = facts.chain
    findings = [
        *check_links(chain, at_least=_PCK_CERTIFICATES),
        *check_anchor(chain, case.anchors.for_format(case.evidence.format), at=case.at),
        *check_issuers(chain, first_issuer=1),
    ]
    if facts.platform_error is not None:
        findings.append(Finding(facts.platform_error.reason, facts.platform_error.detail))
    return findings


def _check_report_data(report_data: bytes, expectation: Expectation) -> list[Finding]:
    """Step 7, compared in constant time."""
    challenge, key = expectation.challenge, expectation.key_spki
    plain = hmac.compare_digest(report_data, challenge.ljust(REPORT_DATA_BYTES, b"\0"))
    if key is None:
        return [] if plain else [Finding(Reason.CHALLENGE_MISMATCH, "the report data is not the challenge")]
    wanted = (new(challenge + key).digest().ljust(REPORT_DATA_BYTES, b"\0") for new in _HASHES)
    if any(hmac.compare_digest(report_data, value) for value in wanted):
        return []
    if plain:
        return [Finding(Reason.KEY_MISMATCH, "the report data is the challenge alone and names no key")]
    return [Finding(Reason.CHALLENGE_MISMATCH, "the report data is not the hash of this challenge and this key")]


def _check_event_log(facts: IntelFacts, registers: frozenset[int]) -> list[Finding]:
    """Step 8. Registers without events hold zeros."""
    body = facts.quote.body
    if facts.event_log is None or not isinstance(body, TdReport):
        return []
    try:
        replayed = facts.event_log.replay(HashId.SHA384)
        facts.event_log.check_data(HashId.SHA384)
    except EvidenceError as error:
        return [Finding(error.reason, error.detail)]
    beyond = [index for index in replayed if index >= _FIRST_RTMR_INDEX + len(body.rtmrs)]
    wrong = [
        f"RTMR{number}"
        for number, value in enumerate(body.rtmrs)
        if number in registers and replayed.get(number + _FIRST_RTMR_INDEX, bytes(len(value))) != value
    ]
    if not (beyond or wrong):
        return []
    detail = f"{', '.join(wrong)} cannot be explained by the log" if wrong else f"the log extends register {beyond[0]}"
    return [Finding(Reason.EVENT_LOG_MISMATCH, detail)]


def _check_identities(facts: IntelFacts, collateral: IntelCollateral) -> list[Finding]:
    """Step 9, where the collateral is about this TEE and platform; that it is not is the appraisal's to say."""
    assert facts.platform is not None
    quote = facts.quote
    if any(check_fit(collateral, tee=quote.tee, platform=facts.platform, pck_chain=facts.chain)):
        return []
    findings: list[Finding] = []
    if problem := qe_problem(collateral.qe_identity, quote.qe.report):
        findings.append(Finding(Reason.QE_IDENTITY_MISMATCH, f"quoting enclave: {problem}"))
    if isinstance(quote.body, TdReport) and (problem := module_problem(collateral.tcb_info, quote.body)):
        findings.append(Finding(Reason.TDX_MODULE_MISMATCH, problem))
    return findings


def _claims(facts: IntelFacts, case: Case, *, bound_key: bytes | None) -> Claims:
    anchor = find_anchor(facts.chain[-1], case.anchors.for_format(case.evidence.format))
    name = anchor.name if anchor else None
    return build_claims(facts.quote, facts.chain, facts.platform, anchor=name, bound_key=bound_key)
