"""Who calls the fake: a name, and the key of the certificate that a real connection would show."""

from dataclasses import dataclass
from typing import Self

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec


@dataclass(frozen=True, slots=True)
class Peer:
    """spiffe_id: as in the client certificate. public_key: of the certificate."""

    spiffe_id: str
    public_key: ec.EllipticCurvePublicKey

    @property
    def key_spki(self) -> bytes:
        """DER SubjectPublicKeyInfo."""
        return self.public_key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


@dataclass(frozen=True, slots=True)
class Person:
    """A caller with the private key. key_pem: PKCS#8, for `Client.over`."""

    peer: Peer
    key_pem: bytes

    @classmethod
    def create(cls, tenant: str, role: str, name: str) -> Self:
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(Peer(f"spiffe://hallmark.local/tenants/{tenant}/{role}/{name}", key.public_key()), pem)
