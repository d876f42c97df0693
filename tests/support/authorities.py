"""Certificate authorities of other people: roots, intermediates, workloads, and lists of what they took back."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from kms.server.local_ca import key_usage


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)] if text else [])


@dataclass(frozen=True, slots=True)
class Workload:
    """PEM; `certificate` is the leaf."""

    certificate: x509.Certificate
    key_pem: bytes
    chain_pem: bytes

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)


@dataclass(slots=True)
class OtherAuthority:
    """Named so, at a time. `above` signed its certificate; nobody did for a root."""

    name: str
    now: datetime
    above: "OtherAuthority | None" = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    life: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        self.certificate = self._signed_by(self.above or self)

    certificate: x509.Certificate = field(init=False)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def workload(
        self,
        uri: str = "spiffe://other.example/ns/payments/sa/api",
        *uris: str,
        life: timedelta = timedelta(hours=1),
        usage: x509.KeyUsage | None = None,
        is_authority: bool = False,
        dns: str = "",
    ) -> Workload:
        key = ec.generate_private_key(ec.SECP256R1())
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(each) for each in (uri, *uris)]
        names += [x509.DNSName(dns)] if dns else []
        certificate = (
            self._begun("", key, life)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
            .add_extension(usage or key_usage(ca=False), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        key_pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        leaf = certificate.public_bytes(Encoding.PEM)
        return Workload(certificate, key_pem, leaf + (self.pem if self.above is not None else b""))

    def server(self, *hosts: str, life: timedelta = timedelta(days=10)) -> Workload:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._begun("", key, life)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host) for host in hosts]), critical=True)
            .add_extension(key_usage(ca=False), critical=True)
            .sign(self.key, hashes.SHA256())
        )
        pem = certificate.public_bytes(Encoding.PEM)
        return Workload(certificate, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), pem)

    def crl(self, *revoked: x509.Certificate, delta: bool = False) -> x509.CertificateRevocationList:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(self.now - timedelta(minutes=1))
            .next_update(self.now + timedelta(days=1))
        )
        if delta:
            builder = builder.add_extension(x509.DeltaCRLIndicator(1), critical=True)
        for each in revoked:
            builder = builder.add_revoked_certificate(
                x509.RevokedCertificateBuilder()
                .serial_number(each.serial_number)
                .revocation_date(self.now - timedelta(minutes=1))
                .build()
            )
        return builder.sign(self.key, hashes.SHA256())

    def _signed_by(self, signer: "OtherAuthority") -> x509.Certificate:
        return (
            signer._begun(self.name, self.key, self.life)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(key_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self.key.public_key()), critical=False)
            .sign(signer.key, hashes.SHA256())
        )

    def _begun(self, subject: str, key: ec.EllipticCurvePrivateKey, life: timedelta) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(_name(subject))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now - timedelta(hours=2))
            .not_valid_after(self.now + life)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
