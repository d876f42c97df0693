"""From a leaf up to a trust anchor, where the sender may leave out the root (WebAuthn's x5c, Apple's, FIDO metadata).

Anchors are keys. The path ends at the first certificate whose key is an anchor's, or behind the last certificate when
an anchor's key made its signature. Every link on the way is checked, so no certificate of the chain is idle bytes.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation.chain import check_dates
from attestation.errors import EvidenceError
from attestation.model import Finding, TrustAnchor
from attestation.reasons import Reason
from attestation.signatures import check_signature, weakness
from attestation.x509 import BASIC_CONSTRAINTS, COMMON_NAME, KEY_USAGE, Certificate

MAX_ANCHORS_TRIED: Final = 64

CERTIFICATE_POLICIES: Final = "2.5.29.32"
EXTENDED_KEY_USAGE: Final = "2.5.29.37"
SUBJECT_ALTERNATIVE_NAME: Final = "2.5.29.17"
# Microsoft marks policies and names of attestation keys as critical. Any policy is accepted here; extended uses and
# names of the leaf are the business of the format.
UNDERSTOOD: Final = frozenset(
    {BASIC_CONSTRAINTS, KEY_USAGE, CERTIFICATE_POLICIES, EXTENDED_KEY_USAGE, SUBJECT_ALTERNATIVE_NAME}
)


@dataclass(frozen=True, slots=True)
class TrustPath:
    """The anchor that a chain ends in, if it ends in one, and everything that is wrong on the way. `dates` are kept
    apart, because a statement that was edited is a graver cause than a certificate that has expired since.
    """

    anchor: TrustAnchor | None
    findings: tuple[Finding, ...]
    dates: tuple[Finding, ...]


def find_path(
    chain: tuple[Certificate, ...], anchors: tuple[TrustAnchor, ...], *, at: datetime, leaf_may_be_anchor: bool = False
) -> TrustPath:
    """Check a chain, leaf first, of at least one certificate: links, anchor, issuers, in this order; and dates.

    `leaf_may_be_anchor` is for leaves that sign the statement themselves: FIDO metadata may list the very certificate
    of an authenticator. Where the leaf only carries a statement, its own key must prove nothing about it.
    """
    start = 0 if leaf_may_be_anchor else 1
    keys = {anchor.spki for anchor in anchors}
    end = next((i for i in range(start, len(chain)) if chain[i].spki in keys), None)
    anchor = _anchor_of(chain[-1], anchors) if end is None else _by_key(chain[end], anchors)
    findings = (*_links(chain), *_anchored(chain[-1], anchor, anchors, at=at), *_issuers(chain))
    dates = check_dates(chain, first=0, last=len(chain) if end is None else max(end, 1), at=at)
    return TrustPath(anchor, findings, dates)


def _by_key(certificate: Certificate, anchors: tuple[TrustAnchor, ...]) -> TrustAnchor:
    return next(anchor for anchor in anchors if anchor.spki == certificate.spki)


def _anchor_of(last: Certificate, anchors: tuple[TrustAnchor, ...]) -> TrustAnchor | None:
    """The anchor whose key signed the last certificate. A certificate that signed itself has no issuer to look for."""
    if last.self_issued:
        return None
    for anchor in anchors[:MAX_ANCHORS_TRIED]:
        try:
            check_signature(last, anchor.spki)
        except EvidenceError:
            continue
        return anchor
    return None


def _links(chain: tuple[Certificate, ...]) -> list[Finding]:
    findings: list[Finding] = []
    for index, certificate in enumerate(chain):
        if index + 1 < len(chain):
            issuer = chain[index + 1]
        elif certificate.self_issued:
            issuer = certificate
        else:
            break
        if certificate.issuer != issuer.subject:
            detail = f"certificate {index} was not issued by certificate {index + 1}"
            findings.append(Finding(Reason.BROKEN_CHAIN, detail))
            continue
        try:
            check_signature(certificate, issuer.spki)
        except EvidenceError as error:
            findings.append(Finding(error.reason, f"certificate {index}: {error.detail}"))
    return findings


def _anchored(
    last: Certificate, anchor: TrustAnchor | None, anchors: tuple[TrustAnchor, ...], *, at: datetime
) -> list[Finding]:
    if anchor is None:
        issuer = last.issuer.get(COMMON_NAME)
        if issuer is not None and not last.self_issued and issuer in {item.common_name for item in anchors}:
            return [Finding(Reason.BAD_SIGNATURE, f"the last certificate names {issuer}, whose key did not sign it")]
        return [Finding(Reason.UNTRUSTED_ROOT, f"no trust anchor has or signed the last key {last.spki_sha256}")]
    if anchor.is_root and last.spki == anchor.spki and not last.self_issued:
        return [Finding(Reason.INCOMPLETE_CHAIN, f"{anchor.name} is a root, this certificate of its key is not")]
    if anchor.not_before is not None and at < anchor.not_before:
        return [Finding(Reason.NOT_YET_VALID, f"trust anchor {anchor.name} begins {anchor.not_before:%Y-%m-%d}")]
    if anchor.not_after is not None and at > anchor.not_after:
        return [Finding(Reason.EXPIRED, f"trust anchor {anchor.name} ended {anchor.not_after:%Y-%m-%d}")]
    return []


def _issuers(chain: tuple[Certificate, ...]) -> list[Finding]:
    findings: list[Finding] = []
    for index, certificate in enumerate(chain):
        try:
            problem = _why_not_issuer(certificate, below=index - 1) if index else _unknown_critical(certificate)
        except EvidenceError as error:
            problem = f"does not say whether it is a CA: {error.detail}"
        if problem:
            reason = Reason.ISSUER_NOT_CA if index else Reason.CERTIFICATE_PROFILE
            findings.append(Finding(reason, f"certificate {index} {problem}"))
        if weak := weakness(certificate.spki):
            findings.append(Finding(Reason.WEAK_KEY, f"certificate {index}: {weak}"))
    return findings


def _why_not_issuer(certificate: Certificate, *, below: int) -> str | None:
    constraints = certificate.basic_constraints()
    if not constraints.ca:
        return "is not a CA"
    if certificate.extension(KEY_USAGE) is not None and not certificate.may_sign_certificates():
        return "may not sign certificates"
    if constraints.path_length is not None and below > constraints.path_length:
        return f"allows {constraints.path_length} CAs below it, there are {below}"
    return _unknown_critical(certificate)


def _unknown_critical(certificate: Certificate) -> str | None:
    if any(extension.critical and extension.oid not in UNDERSTOOD for extension in certificate.extensions):
        return "has a critical extension that this verifier does not know"
    return None
