"""The one certificate view of this package (RFC 5280, 4.1): what chain checks need, and nothing decoded beyond it.

It exists beside `cryptography.x509` because genuine evidence contains certificates that library refuses (StrongBox
leaves filled from fixed templates, dates before the epoch, keys of algorithms it does not know). Fields that no check
looks at, such as the dates of a leaf, stay undecoded bytes, so oddities in them cannot refuse a genuine device.
"""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from attestation import der
from attestation.der import CONTEXT, Element, Type
from attestation.errors import EvidenceError

MAX_CERTIFICATE_BYTES: Final = 16 * 1024
MAX_EXTENSIONS: Final = 32

BASIC_CONSTRAINTS: Final = "2.5.29.19"
KEY_USAGE: Final = "2.5.29.15"
KEY_CERT_SIGN: Final = 5  # bits of KeyUsage (RFC 5280, 4.2.1.3)
CRL_SIGN: Final = 6

COMMON_NAME: Final = "2.5.4.3"
SERIAL_NUMBER: Final = "2.5.4.5"
ORGANIZATION: Final = "2.5.4.10"
TITLE: Final = "2.5.4.12"


@dataclass(frozen=True, slots=True)
class Name:
    """Distinguished name as (type, value octets) pairs in order. The kind of string a value is written in is left out,
    so a name written once as UTF8String and once as PrintableString is still the same name (RFC 5280, 7.1).
    """

    attributes: tuple[tuple[str, bytes], ...]

    def get(self, attribute_type: str) -> str | None:
        for kind, value in self.attributes:
            if kind == attribute_type:
                return value.decode("utf-8", "replace")
        return None


@dataclass(frozen=True, slots=True)
class Extension:
    oid: str
    critical: bool
    value: bytes


@dataclass(frozen=True, slots=True)
class BasicConstraints:
    ca: bool
    path_length: int | None


@dataclass(frozen=True, slots=True)
class Certificate:
    """A parsed certificate. `serial` is lower-case hex without leading zeros, `spki` the whole SubjectPublicKeyInfo."""

    der: bytes
    tbs: bytes
    serial: str
    issuer: Name
    subject: Name
    spki: bytes
    extensions: tuple[Extension, ...]
    inner_algorithm: bytes
    outer_algorithm: bytes
    signature: bytes
    validity: Element

    @property
    def self_issued(self) -> bool:
        return self.issuer == self.subject

    @property
    def spki_sha256(self) -> str:
        return sha256(self.spki).hexdigest()

    def extension(self, oid: str) -> Extension | None:
        return next((extension for extension in self.extensions if extension.oid == oid), None)

    def valid_between(self) -> tuple[datetime, datetime]:
        """The validity period, first and last second; EvidenceError when it is not made of times."""
        fields = self.validity.sequence()
        if len(fields) != 2:
            raise EvidenceError("validity is not two times")
        return fields[0].time(), fields[1].time()

    def basic_constraints(self) -> BasicConstraints:
        extension = self.extension(BASIC_CONSTRAINTS)
        if extension is None:
            return BasicConstraints(ca=False, path_length=None)
        fields = list(der.parse(extension.value).sequence())
        ca = fields.pop(0).boolean() if fields and fields[0].is_a(Type.BOOLEAN) else False
        path_length = fields.pop(0).integer() if fields else None
        if fields or (path_length is not None and not 0 <= path_length < 256):
            raise EvidenceError("basicConstraints is not well formed")
        return BasicConstraints(ca, path_length)

    def may_sign_certificates(self) -> bool:
        extension = self.extension(KEY_USAGE)
        return extension is not None and KEY_CERT_SIGN in der.parse(extension.value).bit_flags()

    def may_sign_crls(self) -> bool:
        extension = self.extension(KEY_USAGE)
        return extension is not None and CRL_SIGN in der.parse(extension.value).bit_flags()


def parse_certificate(data: bytes) -> Certificate:
    """Read one X.509 v3 certificate of at most 16 KiB; raises EvidenceError for anything else."""
    if len(data) > MAX_CERTIFICATE_BYTES:
        raise EvidenceError(f"certificate of {len(data)} bytes, at most {MAX_CERTIFICATE_BYTES}")
    parts = der.parse(data, relaxed=True).sequence()
    if len(parts) != 3:
        raise EvidenceError("certificate is not three parts")
    tbs, algorithm, signature = parts
    fields = list(tbs.sequence())
    if (
        len(fields) < 8
        or fields[0].tag_class != CONTEXT
        or fields[0].number != 0
        or fields[0].explicit().integer() != 2
    ):
        raise EvidenceError("certificate is not X.509 version 3")
    serial, inner_algorithm, issuer, validity, subject, spki = fields[1:7]
    spki.sequence()
    return Certificate(
        der=data,
        tbs=tbs.raw,
        serial=_serial(serial),
        issuer=parse_name(issuer),
        subject=parse_name(subject),
        spki=spki.raw,
        extensions=_extensions(fields[7:]),
        inner_algorithm=inner_algorithm.raw,
        outer_algorithm=algorithm.raw,
        signature=signature.bits(),
        validity=validity,
    )


def _serial(element: Element) -> str:
    element.integer()
    return element.content.hex().lstrip("0") or "0"


def parse_name(element: Element) -> Name:
    """Read a distinguished name (RFC 5280, 4.1.2.4)."""
    attributes: list[tuple[str, bytes]] = []
    for relative in element.sequence():
        for attribute in relative.set_of():
            pair = attribute.sequence()
            if len(pair) != 2:
                raise EvidenceError("name attribute is not a pair")
            attributes.append((pair[0].oid(), pair[1].content))
    return Name(tuple(attributes))


def _extensions(fields: list[Element]) -> tuple[Extension, ...]:
    """The extensions behind the optional unique identifiers [1] and [2]; each OID at most once (RFC 5280, 4.2)."""
    if not fields or fields[-1].tag_class != CONTEXT or fields[-1].number != 3:
        raise EvidenceError("certificate has no extensions")
    if any(field.tag_class != CONTEXT or field.number not in (1, 2) for field in fields[:-1]):
        raise EvidenceError("certificate has fields that X.509 does not know")
    extensions = tuple(_extension(item) for item in fields[-1].explicit().sequence())
    if len(extensions) > MAX_EXTENSIONS:
        raise EvidenceError(f"certificate has {len(extensions)} extensions, at most {MAX_EXTENSIONS}")
    if len({extension.oid for extension in extensions}) != len(extensions):
        raise EvidenceError("certificate has an extension twice")
    return extensions


def _extension(element: Element) -> Extension:
    fields = element.sequence()
    if len(fields) not in (2, 3):
        raise EvidenceError("extension is not well formed")
    critical = fields[1].boolean(any_nonzero=True) if len(fields) == 3 else False
    return Extension(fields[0].oid(), critical, fields[-1].octets())
