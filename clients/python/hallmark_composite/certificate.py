"""X.509 certificates with composite keys and signatures, verified offline (draft-ietf-lamps-pq-composite-sigs-19).

A composite signature on a certificate is over the DER of its TBSCertificate with an empty context (section 5.3); its
AlgorithmIdentifier has no parameters. Whether the certificate may be used for something (names, dates, constraints) is
for whoever asks: here only who signed what is decided.
"""

from dataclasses import dataclass
from typing import Final

from .algorithms import CompositeAlgorithm
from .encoding import algorithm_identifier, decode_spki
from .errors import InvalidSignature, MalformedCertificate
from .public_key import CompositePublicKey
from .verification import verify

MAX_CERTIFICATE_SIZE: Final = 65_536
_SEQUENCE: Final = 0x30
_INTEGER: Final = 0x02
_BIT_STRING: Final = 0x03
_VERSION: Final = 0xA0


@dataclass(frozen=True, slots=True)
class CompositeCertificate:
    """The parts that are signed and that sign. `spki`: DER SubjectPublicKeyInfo of the subject, of any algorithm."""

    algorithm: CompositeAlgorithm
    """Of the issuer's signature."""
    tbs: bytes
    spki: bytes
    signature: bytes

    @classmethod
    def from_der(cls, der: bytes) -> "CompositeCertificate":
        """Raises MalformedCertificate unless it is one DER certificate signed with a composite algorithm known here."""
        if len(der) > MAX_CERTIFICATE_SIZE:
            raise MalformedCertificate(f"a certificate has at most {MAX_CERTIFICATE_SIZE} bytes")
        tbs, signed_with, bits = _elements(_content(der, _SEQUENCE), 3)
        algorithm = _algorithm(signed_with)
        fields = _elements(_content(tbs, _SEQUENCE), None)
        if fields and fields[0][0] == _VERSION:
            fields = fields[1:]
        if len(fields) < 6 or fields[0][0] != _INTEGER or fields[1] != signed_with:
            raise MalformedCertificate(
                "the certificate and its signature name different algorithms, or parts are missing"
            )
        signature = _content(bits, _BIT_STRING)
        if signature[:1] != b"\x00":
            raise MalformedCertificate("the signature is not a whole number of bytes")
        return cls(algorithm, tbs, fields[5], signature[1:])

    @property
    def public_key(self) -> CompositePublicKey:
        """Of the subject. Raises MalformedPublicKey when it is not a composite key."""
        return CompositePublicKey.from_bytes(*decode_spki(self.spki))


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedCertificate:
    """What was proved: the holder of both halves of `issuer_key` signed this certificate."""

    certificate: CompositeCertificate
    issuer_key: CompositePublicKey


def verify_certificate(certificate: CompositeCertificate, issuer_key: CompositePublicKey) -> VerifiedCertificate:
    """Raises InvalidSignature: wrong issuer, changed certificate, or another algorithm than the issuer's."""
    if certificate.algorithm is not issuer_key.algorithm:
        raise InvalidSignature("the certificate was signed with another algorithm than the issuer's")
    verify(issuer_key, certificate.signature, message=certificate.tbs)
    return VerifiedCertificate(certificate=certificate, issuer_key=issuer_key)


def _algorithm(identifier: bytes) -> CompositeAlgorithm:
    found = algorithm_identifier(identifier)
    if found is None:
        raise MalformedCertificate("the certificate is not signed with a composite algorithm known here")
    return found


def _content(element: bytes, tag: int) -> bytes:
    """Of exactly one DER element with this tag."""
    head, end = _read(element, 0)
    if element[0] != tag or end != len(element):
        raise MalformedCertificate("not the DER of a certificate")
    return element[head:]


def _elements(content: bytes, count: int | None) -> list[bytes]:
    """The DER elements in a row, each with its header."""
    found: list[bytes] = []
    start = 0
    while start < len(content):
        _, end = _read(content, start)
        found.append(content[start:end])
        start = end
    if count is not None and len(found) != count:
        raise MalformedCertificate("not the DER of a certificate")
    return found


def _read(data: bytes, start: int) -> tuple[int, int]:
    """Where the content of the element at `start` begins and ends. Definite lengths in their one form (X.690 10.1)."""
    if len(data) < start + 2 or data[start] & 0x1F == 0x1F:
        raise MalformedCertificate("not DER")
    length, head = data[start + 1], start + 2
    if length > 0x7F:
        size = length & 0x7F
        number = data[head : head + size]
        length = int.from_bytes(number, "big")
        if not 1 <= size <= 4 or len(number) != size or number[0] == 0 or length < 0x80:
            raise MalformedCertificate("not DER")
        head += size
    if head + length > len(data):
        raise MalformedCertificate("not DER: it ends too early")
    return head, head + length
