"""From an EK or AK certificate to an anchor: the path, and what TCG's profiles ask of the leaf.

Anchors are keys and may be those of issuing CAs (attestation.anchors_tpm says why), so a path ends at the first
certificate that an anchor signed. A certificate of an issuer in the evidence only helps to find the way.

Sources: TCG EK Credential Profile 2.5; TCG Credential Profiles for TPM Family 2.0 (OIDs 2.23.133.*).
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from attestation import der
from attestation.chain import MAX_CERTIFICATES, check_dates, check_issuers
from attestation.der import CONTEXT, Element
from attestation.der_strict import trim_padding, why_not_der
from attestation.errors import EvidenceError
from attestation.model import Finding, TrustAnchor
from attestation.reasons import Reason
from attestation.signatures import check_signature, weakness
from attestation.x509 import BASIC_CONSTRAINTS, COMMON_NAME, KEY_USAGE, Certificate, parse_certificate

EXTENDED_KEY_USAGE: Final = "2.5.29.37"
SUBJECT_ALT_NAME: Final = "2.5.29.17"
AUTHORITY_KEY_ID: Final = "2.5.29.35"
EK_CERTIFICATE_USAGE: Final = "2.23.133.8.1"  # tcg-kp-EKCertificate
AK_CERTIFICATE_USAGE: Final = "2.23.133.8.3"  # tcg-kp-AIKCertificate

_DIGITAL_SIGNATURE: Final = 0
_KEY_ENCIPHERMENT: Final = 2
_KEY_AGREEMENT: Final = 4
_UNDERSTOOD: Final = frozenset(
    {BASIC_CONSTRAINTS, KEY_USAGE, EXTENDED_KEY_USAGE, SUBJECT_ALT_NAME, AUTHORITY_KEY_ID, "2.5.29.32", "2.5.29.9"}
)  # the last two: certificate policies, subject directory attributes
_DIRECTORY_NAME: Final = 4  # tag of GeneralName
_DEVICE_NAMES: Final = {
    "2.23.133.2.1": "manufacturer",
    "2.23.133.2.2": "model",
    "2.23.133.2.3": "version",
}


@dataclass(frozen=True, slots=True)
class Path:
    """Leaf first, up to the certificate that the anchor's key signed. `departure` says why the leaf is not DER.
    `broken` is set when an issuer of the right name was at hand whose key did not sign.
    """

    certificates: tuple[Certificate, ...]
    anchor: TrustAnchor | None
    departure: str | None
    broken: bool = False

    @property
    def leaf(self) -> Certificate:
        return self.certificates[0]


def find_path(leaf: bytes, intermediates: tuple[bytes, ...], anchors: tuple[TrustAnchor, ...]) -> Path:
    """Parse the certificates and climb. EvidenceError (MALFORMED) when one cannot be read."""
    trimmed = trim_padding(leaf)
    departure = why_not_der(trimmed) if trimmed == leaf else f"{len(leaf) - len(trimmed)} bytes of padding"
    chain = [parse_certificate(trimmed)]
    rest = [parse_certificate(trim_padding(data)) for data in intermediates]
    while len(chain) < MAX_CERTIFICATES:
        top = chain[-1]
        if anchor := _signing_anchor(top, anchors):
            return Path(tuple(chain), anchor, departure)
        named = [item for item in rest if item.subject == top.issuer and item not in chain]
        issuer = next((item for item in named if _signed_by(top, item.spki)), None)
        if issuer is None:
            return Path(tuple(chain), None, departure, broken=bool(named) or _names_an_anchor(top, anchors))
        chain.append(issuer)
    return Path(tuple(chain), None, departure)


def _signing_anchor(certificate: Certificate, anchors: tuple[TrustAnchor, ...]) -> TrustAnchor | None:
    """Anchors of the issuer's common name, and those that tell none, are tried; the signature decides."""
    issuer = certificate.issuer.get(COMMON_NAME)
    likely = (anchor for anchor in anchors if anchor.common_name in (None, issuer))
    return next((anchor for anchor in likely if _signed_by(certificate, anchor.spki)), None)


def _signed_by(certificate: Certificate, spki: bytes) -> bool:
    try:
        check_signature(certificate, spki)
    except EvidenceError:
        return False
    return True


def _names_an_anchor(certificate: Certificate, anchors: tuple[TrustAnchor, ...]) -> bool:
    issuer = certificate.issuer.get(COMMON_NAME)
    return issuer is not None and any(anchor.common_name == issuer for anchor in anchors)


def check_path(path: Path, *, what: str, lenient_makers: frozenset[str], at: datetime) -> tuple[Finding, ...]:
    """Signed up to an anchor that counts at this time, every issuer a CA, all dates kept, DER or a known maker."""
    findings: list[Finding] = []
    if path.anchor is None:
        reason = Reason.BAD_SIGNATURE if path.broken else Reason.UNTRUSTED_ROOT
        top = len(path.certificates) - 1
        detail = "does not verify with its issuer's key" if path.broken else "was signed by no trust anchor"
        findings.append(Finding(reason, f"{what}: certificate {top} {detail}"))
    else:
        findings += _check_anchor_period(path.anchor, at=at)
        maker = path.anchor.name.partition("/")[0]
        if path.departure and maker not in lenient_makers:
            findings.append(Finding(Reason.NON_DER, f"{what}: {path.departure}"))
    findings += check_issuers(path.certificates, first_issuer=1)
    findings += check_dates(path.certificates, first=0, last=len(path.certificates), at=at)
    return tuple(findings)


def _check_anchor_period(anchor: TrustAnchor, *, at: datetime) -> tuple[Finding, ...]:
    if anchor.not_before is not None and at < anchor.not_before:
        return (Finding(Reason.NOT_YET_VALID, f"trust anchor {anchor.name} begins {anchor.not_before:%Y-%m-%d}"),)
    if anchor.not_after is not None and at > anchor.not_after:
        return (Finding(Reason.EXPIRED, f"trust anchor {anchor.name} ended {anchor.not_after:%Y-%m-%d}"),)
    return ()


def check_ek_leaf(leaf: Certificate) -> tuple[Finding, ...]:
    """EK Credential Profile, 3.2: no CA, decrypts only, for use as an EK where it names uses at all."""
    usages = frozenset({_KEY_ENCIPHERMENT, _KEY_AGREEMENT})
    return _check_leaf(leaf, what="EK certificate", bits=usages, usage=EK_CERTIFICATE_USAGE)


def check_ak_leaf(leaf: Certificate) -> tuple[Finding, ...]:
    """No CA, signs; for use as an AK where it names uses at all (Google's name none)."""
    bits = frozenset({_DIGITAL_SIGNATURE})
    return _check_leaf(leaf, what="AK certificate", bits=bits, usage=AK_CERTIFICATE_USAGE)


def _check_leaf(leaf: Certificate, *, what: str, bits: frozenset[int], usage: str) -> tuple[Finding, ...]:
    problem = None
    usages = extended_usages(leaf)
    if leaf.basic_constraints().ca:
        problem = "is one of a CA"
    elif not bits & key_usage_bits(leaf):
        problem = "has a key usage that does not fit"
    elif usages and usage not in usages:
        problem = f"is not for use {usage}"
    elif unknown := [item.oid for item in leaf.extensions if item.critical and item.oid not in _UNDERSTOOD]:
        problem = f"has the unknown critical extension {unknown[0]}"
    if problem is None:
        problem = weakness(leaf.spki)
    return () if problem is None else (Finding(Reason.CERTIFICATE_PROFILE, f"{what} {problem}"),)


def key_usage_bits(certificate: Certificate) -> frozenset[int]:
    extension = certificate.extension(KEY_USAGE)
    return frozenset() if extension is None else der.parse(extension.value, relaxed=True).bit_flags()


def extended_usages(certificate: Certificate) -> tuple[str, ...]:
    extension = certificate.extension(EXTENDED_KEY_USAGE)
    if extension is None:
        return ()
    return tuple(item.oid() for item in der.parse(extension.value, relaxed=True).sequence())


def device_names(leaf: Certificate) -> dict[str, str]:
    """Manufacturer, model and version from the directory name in subjectAltName; empty where there is none."""
    extension = leaf.extension(SUBJECT_ALT_NAME)
    if extension is None:
        return {}
    try:
        return _device_names(der.parse(extension.value, relaxed=True))
    except EvidenceError:
        return {}  # a claim only: nothing rests on it


def _device_names(names: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for general in names.sequence():
        if general.tag_class != CONTEXT or general.number != _DIRECTORY_NAME:
            continue
        for relative in general.explicit().sequence():
            for attribute in relative.set_of():
                fields = attribute.sequence()
                if len(fields) == 2 and (name := _DEVICE_NAMES.get(fields[0].oid())):
                    found[name] = fields[1].content.decode("utf-8", "replace")
    return found
