"""The chain of an endorsement key: VCEK or VLEK, signing key (ASK or ASVK), root key (ARK) of the product.

AMD's certificates are signed with RSASSA-PSS. Evidence carries one to three certificates of the chain; where it ends
below a root, the next key up is an anchor of the caller, found by the name under which the last certificate was issued
and believed by its signature.
"""

from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from attestation.chain import check_anchor, check_dates, check_issuers, find_anchor
from attestation.errors import EvidenceError
from attestation.model import Finding, TrustAnchor
from attestation.reasons import Reason
from attestation.signatures import check_signature
from attestation.x509 import COMMON_NAME, Certificate


@dataclass(frozen=True, slots=True)
class KeyChain:
    """Certificates, the endorsement key first, and the anchor in which they end, if there is one."""

    certificates: tuple[Certificate, ...]
    anchor: TrustAnchor | None
    findings: tuple[Finding, ...]

    @property
    def key(self) -> Certificate:
        return self.certificates[0]


def check_key_chain(
    certificates: tuple[Certificate, ...], anchors: tuple[TrustAnchor, ...], *, at: datetime
) -> KeyChain:
    """Names and signatures from the endorsement key up to an anchor."""
    findings = _check_links(certificates)
    top = certificates[-1]
    if len(certificates) > 1 and top.self_issued:
        findings += _signed_by(top, top.spki, index=len(certificates) - 1)
        return KeyChain(
            certificates, find_anchor(top, anchors), (*findings, *check_anchor(certificates, anchors, at=at))
        )
    anchor, problem = _find_issuer(top, anchors, index=len(certificates) - 1, at=at)
    return KeyChain(certificates, anchor, (*findings, *problem))


def check_validity(chain: KeyChain, *, at: datetime) -> tuple[Finding, ...]:
    """Issuers are CAs with decent keys, and every certificate below a root is valid at this time."""
    certificates = chain.certificates
    below_root = len(certificates) - (1 if certificates[-1].self_issued else 0)
    return (
        *check_issuers(certificates, first_issuer=1),
        *check_dates(certificates, first=0, last=below_root, at=at),
    )


def _check_links(certificates: tuple[Certificate, ...]) -> list[Finding]:
    findings: list[Finding] = []
    for index, (certificate, issuer) in enumerate(pairwise(certificates)):
        if certificate.issuer != issuer.subject:
            detail = f"certificate {index} was not issued by certificate {index + 1}"
            findings.append(Finding(Reason.BROKEN_CHAIN, detail))
        else:
            findings += _signed_by(certificate, issuer.spki, index=index)
    return findings


def _signed_by(certificate: Certificate, spki: bytes, *, index: int) -> list[Finding]:
    try:
        check_signature(certificate, spki)
    except EvidenceError as error:
        return [Finding(error.reason, f"certificate {index}: {error.detail}")]
    return []


def _find_issuer(
    certificate: Certificate, anchors: tuple[TrustAnchor, ...], *, index: int, at: datetime
) -> tuple[TrustAnchor | None, list[Finding]]:
    """The anchor that issued a certificate. Several may bear one name: AMD has replaced a signing key before."""
    name = certificate.issuer.get(COMMON_NAME)
    problems: list[Finding] = []
    for anchor in anchors:
        if name is not None and anchor.common_name == name:
            problem = _signed_by(certificate, anchor.spki, index=index)
            if not problem:
                return anchor, _out_of_period(anchor, at)
            problems = problems or problem
    detail = f"certificate {index} was issued by {(name or 'nobody')[:64]!r}, which is no trust anchor"
    return None, problems or [Finding(Reason.UNTRUSTED_VCEK, detail)]


def _out_of_period(anchor: TrustAnchor, at: datetime) -> list[Finding]:
    if anchor.not_before is not None and at < anchor.not_before:
        return [Finding(Reason.NOT_YET_VALID, f"trust anchor {anchor.name} begins {anchor.not_before:%Y-%m-%d}")]
    if anchor.not_after is not None and at > anchor.not_after:
        return [Finding(Reason.EXPIRED, f"trust anchor {anchor.name} ended {anchor.not_after:%Y-%m-%d}")]
    return []
