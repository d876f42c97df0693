"""Trust anchors an operator adds beside the vendors' own: test labs, throw-away roots of demos."""

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from attestation.model import Format, TrustAnchor


def android_anchor(pem: bytes, source: str) -> TrustAnchor:
    """From a PEM certificate or public key; only its key counts. Raises ValueError."""
    try:
        if b"-----BEGIN CERTIFICATE-----" in pem:
            certificate = x509.load_pem_x509_certificate(pem)
            spki = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        else:
            spki = load_pem_public_key(pem).public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception as error:  # cryptography raises several kinds for foreign bytes
        raise ValueError(f"{source} is neither a PEM certificate nor a PEM public key") from error
    return TrustAnchor(name=source, formats=frozenset({Format.ANDROID_KEY}), spki=spki, source=source)
