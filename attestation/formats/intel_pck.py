"""The SGX extension of a PCK certificate: which platform it is and the SVNs at which Intel certified it.

Source: Intel SGX PCK Certificate and Certificate Revocation List Profile Specification 1.5, 1.3.5.
"""

from dataclasses import dataclass
from typing import Final

from attestation import der
from attestation.der import Element
from attestation.errors import EvidenceError
from attestation.intel_tcb import COMPONENTS
from attestation.reasons import Reason
from attestation.x509 import Certificate

SGX_EXTENSION: Final = "1.2.840.113741.1.13.1"

_PPID, _TCB, _PCE_ID, _FMSPC = (f"{SGX_EXTENSION}.{number}" for number in (1, 2, 3, 4))
_PCE_SVN: Final = f"{_TCB}.{COMPONENTS + 1}"


@dataclass(frozen=True, slots=True)
class Platform:
    """`ppid` (16 bytes) names one processor package and is personal data like a serial number; `fmspc` (6 bytes) and
    `pce_id` (2 bytes) name the family that TCB info is published for; 16 component SVNs and one of the PCE.
    """

    ppid: bytes
    fmspc: bytes
    pce_id: bytes
    components: tuple[int, ...]
    pce_svn: int


def parse_platform(certificate: Certificate) -> Platform:
    """Read the extension; EvidenceError: MISSING_EXTENSION, or MALFORMED when it is not well formed."""
    extension = certificate.extension(SGX_EXTENSION)
    if extension is None:
        raise EvidenceError("PCK certificate has no SGX extension", reason=Reason.MISSING_EXTENSION)
    values = _pairs(der.parse(extension.value))
    tcb = _pairs(_value(values, _TCB))
    return Platform(
        ppid=_octets(values, _PPID, size=16),
        fmspc=_octets(values, _FMSPC, size=6),
        pce_id=_octets(values, _PCE_ID, size=2),
        components=tuple(_svn(tcb, f"{_TCB}.{number}", most=0xFF) for number in range(1, COMPONENTS + 1)),
        pce_svn=_svn(tcb, _PCE_SVN, most=0xFFFF),
    )


def _pairs(element: Element) -> dict[str, Element]:
    """SEQUENCE of pairs of OID and value, each OID once."""
    found: dict[str, Element] = {}
    for item in element.sequence():
        pair = item.sequence()
        if len(pair) != 2 or (name := pair[0].oid()) in found:
            raise EvidenceError("SGX extension is not made of pairs with different names")
        found[name] = pair[1]
    return found


def _value(values: dict[str, Element], oid: str) -> Element:
    if oid not in values:
        raise EvidenceError(f"SGX extension has no {oid}")
    return values[oid]


def _octets(values: dict[str, Element], oid: str, *, size: int) -> bytes:
    content = _value(values, oid).octets()
    if len(content) != size:
        raise EvidenceError(f"SGX extension has {len(content)} octets in {oid}, not {size}")
    return content


def _svn(values: dict[str, Element], oid: str, *, most: int) -> int:
    number = _value(values, oid).integer()
    if not 0 <= number <= most:
        raise EvidenceError(f"SGX extension has the SVN {number}")
    return number
