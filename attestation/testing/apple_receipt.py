"""Writer of App Attest receipts: CMS SignedData in BER with indefinite lengths and a content in two pieces."""

from datetime import datetime, timedelta

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from attestation.testing import asn1
from attestation.testing.authenticator import subject_of
from attestation.testing.phone import Issuer
from attestation.x509 import parse_certificate

_SHA256 = asn1.sequence(asn1.oid("2.16.840.1.101.3.4.2.1"), asn1.null())
_ECDSA_SHA256 = asn1.sequence(asn1.oid("1.2.840.10045.4.3.2"))


def write_receipt(
    signer: Issuer,
    *,
    app_id: str,
    certificate: bytes,
    client_data_hash: bytes,
    created_at: datetime,
    kind: str = "ATTEST",
    risk_metric: int | None = None,
) -> bytes:
    """A receipt signed by the first key of the signer's chain."""
    fields: dict[int, bytes] = {
        2: app_id.encode(),
        3: certificate,
        4: client_data_hash,
        6: kind.encode(),
        7: b"production",
        12: _time(created_at),
        21: _time(created_at + timedelta(days=90)),
    }
    if risk_metric is not None:
        fields[17] = str(risk_metric).encode()
    return signed_data(
        signer,
        asn1.set_of(
            *(asn1.sequence(asn1.integer(k), asn1.integer(1), asn1.octets(value)) for k, value in fields.items())
        ),
    )


def _time(value: datetime) -> bytes:
    return f"{value:%Y-%m-%dT%H:%M:%S}.{value.microsecond // 1000:03d}Z".encode()


def signed_data(signer: Issuer, content: bytes) -> bytes:
    """SignedData over content, without signed attributes."""
    certificate = parse_certificate(signer.chain[0])
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    issuer = parse_certificate(signer.chain[1])
    identifier = asn1.sequence(subject_of(issuer.der), asn1.integer(int(certificate.serial, 16)))
    signature = signer.key.sign(content, ec.ECDSA(hashes.SHA256()))
    signer_info = asn1.sequence(asn1.integer(1), identifier, _SHA256, _ECDSA_SHA256, asn1.octets(signature))
    middle = len(content) // 2
    pieces = _indefinite(0x24, asn1.octets(content[:middle]), asn1.octets(content[middle:]))
    encapsulated = _indefinite(0x30, asn1.oid("1.2.840.113549.1.7.1"), _indefinite(0xA0, pieces))
    message = _indefinite(
        0x30,
        asn1.integer(1),
        asn1.set_of(_SHA256),
        encapsulated,
        _indefinite(0xA0, *signer.chain),
        asn1.set_of(signer_info),
    )
    return _indefinite(0x30, asn1.oid("1.2.840.113549.1.7.2"), _indefinite(0xA0, message))


def _indefinite(identifier: int, *items: bytes) -> bytes:
    return bytes([identifier, 0x80]) + b"".join(items) + b"\x00\x00"
