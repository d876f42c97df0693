"""Throw-away TLS identities for a server on loopback and its clients. ECDSA P-256, good for a day."""

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_LIFE: Final = timedelta(days=1)
_PEM: Final = serialization.Encoding.PEM


@dataclass(frozen=True, slots=True)
class Identity:
    """Certificate and private key, PEM."""

    cert_pem: bytes
    key_pem: bytes


class TestAuthority:
    """A certificate authority that exists in memory only."""

    __test__ = False  # not a test class, whatever pytest thinks of its name

    def __init__(self, now: datetime) -> None:
        self._now = now
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hallmark test authority")])
        builder = self._builder(self._name, self._key.public_key())
        basic = x509.BasicConstraints(ca=True, path_length=0)
        self._certificate = builder.add_extension(basic, critical=True).sign(self._key, hashes.SHA256())

    @property
    def pem(self) -> bytes:
        return self._certificate.public_bytes(_PEM)

    def server(self) -> Identity:
        """For localhost and 127.0.0.1."""
        address = x509.IPAddress(ipaddress.IPv4Address("127.0.0.1"))
        return self._issue("server", [x509.DNSName("localhost"), address])

    def client(self, role: str, tenant: str = "default", *, name: str | None = None) -> Identity:
        """With the SPIFFE-style name of a role, or of a person in that role."""
        uri = f"spiffe://hallmark.local/tenants/{tenant}/{role}/{name or role}"
        return self._issue(name or role, [x509.UniformResourceIdentifier(uri)])

    def _issue(self, name: str, names: list[x509.GeneralName]) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = self._builder(subject, key.public_key())
        certificate = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        key_pem = key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        return Identity(certificate.sign(self._key, hashes.SHA256()).public_bytes(_PEM), key_pem)

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _LIFE)
            .not_valid_after(self._now + _LIFE)
        )
