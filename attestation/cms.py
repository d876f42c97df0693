"""CMS SignedData (RFC 5652, 5) with one signer and no signed attributes: the form of Apple's App Attest receipts.

The signature then covers the content itself. Signed attributes are refused, because a verifier that takes both forms
can be shown the attributes of one message as the content of another.
"""

from dataclasses import dataclass
from typing import Final

from attestation import ber, der
from attestation.chain import MAX_CERTIFICATES
from attestation.der import CONTEXT, Element
from attestation.errors import EvidenceError
from attestation.reasons import Reason
from attestation.signatures import verify_signature
from attestation.x509 import Certificate, parse_certificate

MAX_MESSAGE_BYTES: Final = 32 * 1024

_SIGNED_DATA: Final = "1.2.840.113549.1.7.2"
_DATA: Final = "1.2.840.113549.1.7.1"
# AlgorithmIdentifiers, whole: SHA-256 with and without NULL, ecdsa-with-SHA256, sha256WithRSAEncryption with NULL.
# Compared byte by byte, because nothing signs them.
_SHA256: Final = frozenset(
    {bytes.fromhex("300d06096086480165030402010500"), bytes.fromhex("300b0609608648016503040201")}
)
_SHA256_SIGNATURES: Final = frozenset(
    {bytes.fromhex("300a06082a8648ce3d040302"), bytes.fromhex("300d06092a864886f70d01010b0500")}
)


@dataclass(frozen=True, slots=True)
class SignedData:
    """Content, the signer's certificate, and those of its issuers in order, as far as the message carries them. The
    signature was verified with the first certificate; nothing was said about trust.
    """

    content: bytes
    chain: tuple[Certificate, ...]


def parse_signed_data(data: bytes) -> SignedData:
    """Read and verify a message of at most 32 KiB, in DER or BER; EvidenceError says what is wrong with it."""
    if len(data) > MAX_MESSAGE_BYTES:
        raise EvidenceError(f"signed message of {len(data)} bytes, at most {MAX_MESSAGE_BYTES}")
    outer = der.parse(ber.definite(data), relaxed=True).sequence()
    if len(outer) != 2 or outer[0].oid() != _SIGNED_DATA:
        raise EvidenceError("message is not CMS SignedData")
    fields = _explicit(outer[1]).sequence()
    if len(fields) != 5 or fields[3].tag_class != CONTEXT or fields[3].number != 0:
        raise EvidenceError("SignedData has not version, hashes, content, certificates and signers")
    if fields[0].integer() != 1 or not all(item.raw in _SHA256 for item in fields[1].set_of()):
        raise EvidenceError("SignedData is not version 1 with SHA-256", reason=Reason.UNSUPPORTED_ALGORITHM)
    encapsulated = fields[2].sequence()
    if len(encapsulated) != 2 or encapsulated[0].oid() != _DATA:
        raise EvidenceError("SignedData does not carry plain content")
    content = _explicit(encapsulated[1]).octets()
    if len(encoded := fields[3].children()) > MAX_CERTIFICATES:
        raise EvidenceError(f"message carries {len(encoded)} certificates, at most {MAX_CERTIFICATES}")
    certificates = tuple(parse_certificate(item.raw) for item in encoded)
    signers = fields[4].set_of()
    if len(signers) != 1:
        raise EvidenceError(f"message has {len(signers)} signers, one is expected")
    return SignedData(content, _ordered(_verify(signers[0], content, certificates), certificates))


def _explicit(element: Element) -> Element:
    """The element inside [0] EXPLICIT."""
    if element.tag_class != CONTEXT or element.number != 0:
        raise EvidenceError("message has another tag where content belongs")
    return element.explicit()


def _verify(signer: Element, content: bytes, certificates: tuple[Certificate, ...]) -> Certificate:
    """The certificate of the signer, with which the signature verified."""
    fields = signer.sequence()
    if len(fields) != 5:
        raise EvidenceError("signer has attributes or lacks fields")
    identifier, digest, algorithm, signature = fields[1].sequence(), fields[2], fields[3], fields[4]
    if len(identifier) != 2:
        raise EvidenceError("signer is not named by issuer and serial number")
    if fields[0].integer() != 1 or digest.raw not in _SHA256 or algorithm.raw not in _SHA256_SIGNATURES:
        raise EvidenceError("message is not signed with SHA-256", reason=Reason.UNSUPPORTED_ALGORITHM)
    certificate = next((item for item in certificates if _named(item, identifier)), None)
    if certificate is None:
        raise EvidenceError("message does not carry its signer's certificate", reason=Reason.INCOMPLETE_CHAIN)
    verify_signature(content, signature.octets(), algorithm=algorithm.raw, signer_spki=certificate.spki)
    return certificate


def _named(certificate: Certificate, identifier: tuple[Element, ...]) -> bool:
    """Issuer and serial number are, byte by byte, those of the certificate (RFC 5280, 4.1: its fourth and second)."""
    fields = der.parse(certificate.tbs, relaxed=True).sequence()
    return fields[3].raw == identifier[0].raw and fields[1].raw == identifier[1].raw


def _ordered(signer: Certificate, certificates: tuple[Certificate, ...]) -> tuple[Certificate, ...]:
    """From the signer upwards by names; certificates that do not belong to this way are refused."""
    chain = [signer]
    rest = [item for item in certificates if item is not signer]
    while rest and not chain[-1].self_issued:
        above = next((item for item in rest if item.subject == chain[-1].issuer), None)
        if above is None:
            break
        rest.remove(above)
        chain.append(above)
    if rest:
        raise EvidenceError(f"message carries {len(rest)} certificates that do not belong to its chain")
    return tuple(chain)
