"""What AMD certifies about an endorsement key (AMD publication 57230, VCEK and VLEK certificates, table "Extensions").

The certificate says for which chip (VCEK) or cloud (VLEK), which product and which TCB the key was derived. A report
counts only when it says the same about itself.
"""

import re
from dataclasses import dataclass
from typing import Final

from attestation import der
from attestation.errors import EvidenceError
from attestation.formats.sev_snp_report import SigningKey
from attestation.formats.sev_snp_tcb import Product, Tcb
from attestation.reasons import Reason
from attestation.x509 import COMMON_NAME, Certificate

_AMD: Final = "1.3.6.1.4.1.3704.1"
PRODUCT_NAME: Final = f"{_AMD}.2"
BOOT_LOADER: Final = f"{_AMD}.3.1"
TEE: Final = f"{_AMD}.3.2"
SNP: Final = f"{_AMD}.3.3"
MICROCODE: Final = f"{_AMD}.3.8"
FMC: Final = f"{_AMD}.3.9"
HARDWARE_ID: Final = f"{_AMD}.4"
CSP_ID: Final = f"{_AMD}.5"

_HARDWARE_ID_BYTES: Final = {Product.MILAN: 64, Product.GENOA: 64, Product.TURIN: 8}
_IA5_STRING: Final = 22
_UTF8_STRING: Final = 12
_MAX_LEVEL: Final = 255

# AMD's signing keys by the common name they issue under; ARK-<product> issues them.
ISSUERS: Final[dict[str, tuple[SigningKey, Product]]] = {
    **{f"SEV-{product}": (SigningKey.VCEK, product) for product in Product},
    **{f"SEV-VLEK-{product}": (SigningKey.VLEK, product) for product in Product},
}
_SUBJECTS: Final = {SigningKey.VCEK: "SEV-VCEK", SigningKey.VLEK: "SEV-VLEK"}
# Product names start with the name of the silicon; steppings ("Milan-B0") follow.
_SILICON: Final = {
    "Milan": Product.MILAN,
    "Genoa": Product.GENOA,
    "Bergamo": Product.GENOA,
    "Siena": Product.GENOA,
    "Turin": Product.TURIN,
}


def root_name(product: Product) -> str:
    """The common name of a product line's root key."""
    return f"ARK-{product}"


@dataclass(frozen=True, slots=True)
class Endorsement:
    """The facts in a VCEK or VLEK certificate. `hardware_id` (VCEK) has 64 octets, on Turin 8; `csp_id` is a VLEK's."""

    kind: SigningKey
    product: Product
    product_name: str
    tcb: Tcb
    hardware_id: bytes | None
    csp_id: str | None


def parse_endorsement(certificate: Certificate) -> Endorsement:
    """Read the extensions; EvidenceError with MISSING_EXTENSION or MALFORMED where they are not as AMD writes them."""
    issuer = certificate.issuer.get(COMMON_NAME) or ""
    if issuer not in ISSUERS:
        raise EvidenceError(f"{issuer[:64]!r} is not a name AMD issues endorsement keys under")
    kind, product = ISSUERS[issuer]
    if certificate.subject.get(COMMON_NAME) != _SUBJECTS[kind]:
        raise EvidenceError(f"certificate issued by {issuer} is not one of a {kind.name}")
    name = _text(certificate, PRODUCT_NAME)
    if _SILICON.get(re.split("[- ]", name)[0]) is not product:
        raise EvidenceError(f"certificate issued by {issuer} is for the product {name[:64]!r}")
    return Endorsement(
        kind=kind,
        product=product,
        product_name=name,
        tcb=_tcb(certificate, product),
        hardware_id=_hardware_id(certificate, product) if kind is SigningKey.VCEK else None,
        csp_id=_text(certificate, CSP_ID) if kind is SigningKey.VLEK else None,
    )


def _tcb(certificate: Certificate, product: Product) -> Tcb:
    return Tcb(
        boot_loader=_level(certificate, BOOT_LOADER),
        tee=_level(certificate, TEE),
        snp=_level(certificate, SNP),
        microcode=_level(certificate, MICROCODE),
        fmc=_level(certificate, FMC) if product is Product.TURIN else 0,
    )


def _level(certificate: Certificate, oid: str) -> int:
    level = der.parse(_value(certificate, oid)).integer()
    if not 0 <= level <= _MAX_LEVEL:
        raise EvidenceError(f"patch level {level} in extension {oid}")
    return level


def _hardware_id(certificate: Certificate, product: Product) -> bytes:
    """The octets stand bare in the extension; a reader must also take them inside an OCTET STRING."""
    value, size = _value(certificate, HARDWARE_ID), _HARDWARE_ID_BYTES[product]
    if len(value) == size + 2:
        value = der.parse(value).octets()
    if len(value) != size:
        raise EvidenceError(f"hardware identifier of {len(value)} bytes on {product}")
    return value


def _text(certificate: Certificate, oid: str) -> str:
    element = der.parse(_value(certificate, oid))
    if element.tag_class != der.UNIVERSAL or element.number not in (_IA5_STRING, _UTF8_STRING):
        raise EvidenceError(f"extension {oid} is not text")
    return element.content.decode("utf-8", "replace")


def _value(certificate: Certificate, oid: str) -> bytes:
    extension = certificate.extension(oid)
    if extension is None:
        raise EvidenceError(f"endorsement key has no extension {oid}", reason=Reason.MISSING_EXTENSION)
    return extension.value
