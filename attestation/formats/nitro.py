"""AWS Nitro enclaves: did the Nitro hypervisor make this document for this challenge, just now?

The steps, in the order in which their findings are listed:

 1. bounds; COSE_Sign1 with or without tag 18, algorithm ES384 in the protected headers and nothing else in any header;
    every field of the document within AWS's bounds; every certificate can be read (else MALFORMED)
 2. the chain: certificate, then cabundle from its end to its beginning, each named and signed by the next
 3. the root's public key is one of the caller's anchors: the root in the bundle is whatever the sender put there
 4. the document is signed by the certificate's key (P-384)
 5. every issuer is a CA with a key of decent strength
 6. all certificates below the root are valid at the time in the document and now: AWS publishes no revocation list, its
    certificates live for hours
 7. the nonce is the challenge, and the public key is the key to enrol

Only authentic evidence is appraised: age by the policy's window, debug mode, registers. The caller must have the
enclave put the challenge (up to 512 bytes) into `nonce`, and the key to enrol as DER SubjectPublicKeyInfo into
`public_key`. Source: https://github.com/aws/aws-nitro-enclaves-nsm-api/blob/main/docs/attestation_process.md, 3.2.
"""

import hmac
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.case import Case
from attestation.chain import check_anchor, check_dates, check_issuers, check_links, find_anchor, parse_chain
from attestation.claims import Claims, DeviceIdentity, Freshness, Measurement, SecurityLevel, VendorValue
from attestation.cose_sign1 import HEADER_ALGORITHM, CoseAlgorithm, CoseSign1, parse_cose_sign1
from attestation.errors import EvidenceError
from attestation.formats.nitro_document import NitroDocument, parse_document
from attestation.model import Evidence, Expectation, Finding, Format, Judgement, Part, TrustAnchor
from attestation.policy_aws import AwsNitroPolicy
from attestation.public_key import describe_key
from attestation.reasons import Reason, Unchecked
from attestation.x509 import Certificate

DOCUMENT: Final = "document"
MAX_EVIDENCE_BYTES: Final = 16 * 1024  # the hypervisor answers with at most 12 KiB
ALGORITHMS: Final = frozenset({CoseAlgorithm.ES384})
MIN_CERTIFICATES: Final = 3


def evidence(document: bytes) -> Evidence:
    """The document as the enclave got it from the Nitro Secure Module: one COSE_Sign1 message."""
    return Evidence(Format.AWS_NITRO, (Part(DOCUMENT, document),))


@dataclass(frozen=True, slots=True)
class NitroFacts:
    """What was read, before any judgement."""

    message: CoseSign1
    document: NitroDocument
    chain: tuple[Certificate, ...]


def judge(case: Case) -> Judgement:
    """Authenticate, and appraise what is authentic."""
    facts = read(case.evidence)
    anchors = case.anchors.for_format(case.evidence.format)
    policy = case.policy.aws_nitro
    findings = (
        *check_links(facts.chain, at_least=MIN_CERTIFICATES),
        *check_anchor(facts.chain, anchors, at=case.at),
        *_check_message(facts),
        *check_issuers(facts.chain, first_issuer=1),
        *_check_dates(facts, at=case.at),
        *_check_binding(facts.document, case.expectation, policy),
    )
    claims = _claims(facts, find_anchor(facts.chain[-1], anchors))
    not_checked = _not_checked(facts.document, case.expectation, policy)
    if not findings:
        findings = tuple(_appraise(facts.document, policy, at=case.at))
    return Judgement(findings, claims, not_checked)


def read(found: Evidence) -> NitroFacts:
    """Parse the evidence within bounds."""
    documents = found.named(DOCUMENT)
    if len(documents) != 1 or len(found.parts) != 1:
        raise EvidenceError("evidence is not one attestation document")
    if found.size > MAX_EVIDENCE_BYTES:
        raise EvidenceError(f"evidence of {found.size} bytes, at most {MAX_EVIDENCE_BYTES}")
    message = parse_cose_sign1(documents[0])
    if message.headers.keys() != {HEADER_ALGORITHM} or message.unprotected:
        raise EvidenceError("COSE headers hold something else than the algorithm")
    document = parse_document(message.payload)
    return NitroFacts(message, document, parse_chain(document.chain))


def _check_message(facts: NitroFacts) -> list[Finding]:
    try:
        facts.message.verify(facts.chain[0].spki, algorithms=ALGORITHMS)
    except EvidenceError as error:
        return [Finding(error.reason, error.detail)]
    return []


def _check_dates(facts: NitroFacts, *, at: datetime) -> tuple[Finding, ...]:
    """Step 6. The root is matched by key, and its period stands with the anchor."""
    last = len(facts.chain) - 1
    when_made = check_dates(facts.chain, first=0, last=last, at=facts.document.made_at)
    return tuple(dict.fromkeys((*check_dates(facts.chain, first=0, last=last, at=at), *when_made)))


def _check_binding(document: NitroDocument, expectation: Expectation, policy: AwsNitroPolicy) -> list[Finding]:
    """Step 7, compared in constant time."""
    findings: list[Finding] = []
    if document.nonce is None:
        if not policy.allow_missing_nonce:
            findings.append(Finding(Reason.CHALLENGE_MISMATCH, "the document has no nonce"))
    elif not expectation.challenge_matches(document.nonce):
        findings.append(Finding(Reason.CHALLENGE_MISMATCH, "the document was made for another challenge"))
    wanted = expectation.key_spki
    if wanted is not None and not hmac.compare_digest(wanted, document.public_key or b""):
        findings.append(Finding(Reason.KEY_MISMATCH, "the document does not name the key to enrol"))
    return findings


def _appraise(document: NitroDocument, policy: AwsNitroPolicy, *, at: datetime) -> Iterator[Finding]:
    if document.debug and not policy.allow_debug:
        yield Finding(Reason.DEBUG_ENCLAVE, "the registers that measure the code are zero")
    if not -policy.max_age <= at - document.made_at <= policy.max_age:
        yield Finding(Reason.STALE_EVIDENCE, f"document made at {document.made_at:%Y-%m-%dT%H:%M:%SZ}")
    for expected in policy.pcrs:
        found = document.pcrs.get(expected.index)
        if found is None:
            yield Finding(Reason.MEASUREMENT_MISSING, f"the document has no PCR {expected.index}")
        elif found not in expected.digests:
            yield Finding(Reason.MEASUREMENT_MISMATCH, f"PCR {expected.index} is {found.hex()}")


def _claims(facts: NitroFacts, anchor: TrustAnchor | None) -> Claims:
    document = facts.document
    user_data = document.user_data
    vendor: dict[str, VendorValue] = {
        "module_id": document.module_id,
        "tagged": facts.message.tagged,
        "user_data": None if user_data is None else user_data.hex(),
    }
    return Claims(
        device=DeviceIdentity(manufacturer="Amazon", product="Nitro Enclave"),
        key=describe_key(document.public_key) if document.public_key else None,
        security_level=SecurityLevel.ENCLAVE,
        measurements=tuple(Measurement(f"PCR{index}", document.pcrs[index]) for index in sorted(document.pcrs)),
        debug=document.debug,
        freshness=Freshness(document.nonce or b"", document.made_at),
        anchor=anchor.name if anchor else None,
        certificate_serials=tuple(certificate.serial for certificate in facts.chain),
        vendor=tuple(sorted(vendor.items())),
    )


def _not_checked(document: NitroDocument, expectation: Expectation, policy: AwsNitroPolicy) -> tuple[Unchecked, ...]:
    unchecked: list[Unchecked] = []
    if document.nonce is None and policy.allow_missing_nonce:
        unchecked.append(Unchecked.CHALLENGE)
    if expectation.key_spki is None:
        unchecked.append(Unchecked.KEY_BINDING)
    if not policy.pcrs:
        unchecked.append(Unchecked.MEASUREMENTS)
    return tuple(unchecked)
