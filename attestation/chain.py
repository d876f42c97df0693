"""Checks of a certificate chain that hold for every vendor: leaf first, root last, each link named, signed and allowed.

Each function returns the findings it made, in the order of the chain; an empty tuple means that all is well.
The dates of certificates are the business of the format, because vendors differ on which of them mean something.
"""

from datetime import datetime
from typing import Final

from attestation.anchors import SOFTWARE_ROOTS
from attestation.errors import EvidenceError
from attestation.model import Finding, TrustAnchor
from attestation.reasons import Reason
from attestation.signatures import check_signature, weakness
from attestation.x509 import BASIC_CONSTRAINTS, KEY_USAGE, Certificate, parse_certificate

MAX_CERTIFICATES: Final = 8
UNDERSTOOD: Final = frozenset({BASIC_CONSTRAINTS, KEY_USAGE})


def parse_chain(certificates: tuple[bytes, ...]) -> tuple[Certificate, ...]:
    """Parse 1 to 8 certificates; EvidenceError (MALFORMED) names the one that cannot be read."""
    if not 1 <= len(certificates) <= MAX_CERTIFICATES:
        raise EvidenceError(f"chain of {len(certificates)} certificates, 1 to {MAX_CERTIFICATES} are possible")
    chain: list[Certificate] = []
    for index, data in enumerate(certificates):
        try:
            chain.append(parse_certificate(data))
        except EvidenceError as error:
            raise EvidenceError(f"certificate {index}: {error.detail}", reason=error.reason) from error
    return tuple(chain)


def check_links(chain: tuple[Certificate, ...], *, at_least: int) -> tuple[Finding, ...]:
    """Every certificate is named and signed by the next, and the last is a root that signed itself.

    The root's own signature adds no trust (its key is compared with the anchors); it is checked so that no byte of
    evidence can change unnoticed.
    """
    findings: list[Finding] = []
    if len(chain) < at_least:
        findings.append(Finding(Reason.INCOMPLETE_CHAIN, f"{len(chain)} certificates, at least {at_least} are needed"))
    elif not chain[-1].self_issued:
        findings.append(Finding(Reason.INCOMPLETE_CHAIN, "the last certificate is not a root"))
    for index, certificate in enumerate(chain):
        issuer = chain[min(index + 1, len(chain) - 1)]
        if issuer is certificate and not certificate.self_issued:
            continue  # said above: the root is missing
        if certificate.issuer != issuer.subject:
            detail = f"certificate {index} was not issued by certificate {index + 1}"
            findings.append(Finding(Reason.BROKEN_CHAIN, detail))
            continue
        try:
            check_signature(certificate, issuer.spki)
        except EvidenceError as error:
            findings.append(Finding(error.reason, f"certificate {index}: {error.detail}"))
    return tuple(findings)


def find_anchor(root: Certificate, anchors: tuple[TrustAnchor, ...]) -> TrustAnchor | None:
    """The anchor whose public key is the root's. Certificates of roots are re-issued, their keys stay."""
    return next((anchor for anchor in anchors if anchor.spki == root.spki), None)


def check_anchor(
    chain: tuple[Certificate, ...], anchors: tuple[TrustAnchor, ...], *, at: datetime
) -> tuple[Finding, ...]:
    """The chain ends in a key that the caller trusts at this time. Nothing to say when there is no root at all."""
    root = chain[-1]
    if not root.self_issued:
        return ()
    anchor = find_anchor(root, anchors)
    if anchor is None:
        if root.spki in SOFTWARE_ROOTS:
            return (Finding(Reason.SOFTWARE_ROOT, SOFTWARE_ROOTS[root.spki]),)
        return (Finding(Reason.UNTRUSTED_ROOT, f"root key {root.spki_sha256} is not a trust anchor"),)
    if anchor.not_before is not None and at < anchor.not_before:
        return (Finding(Reason.NOT_YET_VALID, f"trust anchor {anchor.name} begins {anchor.not_before:%Y-%m-%d}"),)
    if anchor.not_after is not None and at > anchor.not_after:
        return (Finding(Reason.EXPIRED, f"trust anchor {anchor.name} ended {anchor.not_after:%Y-%m-%d}"),)
    return ()


def check_issuers(chain: tuple[Certificate, ...], *, first_issuer: int) -> tuple[Finding, ...]:
    """Every issuer from `first_issuer` on is a CA that may sign certificates, with a key of decent strength.

    Without this check a genuine attested key, which any app on a genuine phone can use, could sign a false leaf.
    """
    findings: list[Finding] = []
    for index in range(first_issuer, len(chain)):
        try:
            problem = _why_not_ca(chain[index], below=index - first_issuer)
        except EvidenceError as error:
            problem = f"does not say whether it is a CA: {error.detail}"
        if problem:
            findings.append(Finding(Reason.ISSUER_NOT_CA, f"certificate {index} {problem}"))
        if problem := weakness(chain[index].spki):
            findings.append(Finding(Reason.WEAK_KEY, f"certificate {index}: {problem}"))
    return tuple(findings)


def _why_not_ca(certificate: Certificate, *, below: int) -> str | None:
    constraints = certificate.basic_constraints()
    if not constraints.ca:
        return "is not a CA"
    if not certificate.may_sign_certificates():
        return "may not sign certificates"
    if constraints.path_length is not None and below > constraints.path_length:
        return f"allows {constraints.path_length} CAs below it, there are {below}"
    if any(extension.critical and extension.oid not in UNDERSTOOD for extension in certificate.extensions):
        return "has a critical extension that this verifier does not know"
    return None


def check_dates(chain: tuple[Certificate, ...], *, first: int, last: int, at: datetime) -> tuple[Finding, ...]:
    """Certificates `first` up to, not including, `last` are valid at this time."""
    findings: list[Finding] = []
    for index in range(first, last):
        try:
            begin, end = chain[index].valid_between()
        except EvidenceError as error:
            findings.append(Finding(error.reason, f"certificate {index}: {error.detail}"))
            continue
        if at < begin:
            findings.append(
                Finding(Reason.NOT_YET_VALID, f"certificate {index} is valid from {begin:%Y-%m-%dT%H:%M:%SZ}")
            )
        elif at > end:
            findings.append(Finding(Reason.EXPIRED, f"certificate {index} was valid until {end:%Y-%m-%dT%H:%M:%SZ}"))
    return tuple(findings)
