"""First run without configuration: a local certificate authority, the server's certificate and four clients'.

Certificates are ECDSA P-256: BoringSSL in gRPC takes no ML-DSA certificates yet, so TLS authentication stays
classical while its key exchange is hybrid. What must last is signed by composite keys, not by these.
"""

import ipaddress
import os
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kms.core.identity import Role
from kms.core.names import ID_PATTERN
from kms.keys.model import SYSTEM_TENANT
from kms.public.durable import sync_folder
from kms.server.identity import spiffe_id

_AUTHORITY_LIFE = timedelta(days=3650)
_LEAF_LIFE = timedelta(days=365)
_RENEW_BEFORE = timedelta(days=30)
_SKEW = timedelta(minutes=5)
LOCAL_TENANT = "default"


class LocalAuthority:
    """Files under `home`/tls (authority and server) and `home`/clients/{role}. Everything is made once and kept;
    what is about to expire, or names other hosts, is made again at start.
    """

    def __init__(self, home: Path, *, trust_domain: str, now: datetime) -> None:
        self._tls = home / "tls"
        self._clients = home / "clients"
        self._trust_domain = trust_domain
        self._now = now
        self._tls.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._key, self.certificate = self._load_or_make_authority()

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def issuing_key(self) -> ec.EllipticCurvePrivateKey:
        """Signs certificates; kms.server.device_certificates."""
        return self._key

    def server_credentials(self, host_names: tuple[str, ...]) -> tuple[bytes, bytes]:
        """Private key and certificate, PEM."""
        names: list[x509.GeneralName] = [general_name(host) for host in host_names]
        names.append(x509.UniformResourceIdentifier(f"spiffe://{self._trust_domain}/server"))
        key_file, certificate_file = self._tls / "server.key", self._tls / "server.pem"
        self._ensure_leaf(key_file, certificate_file, names, ExtendedKeyUsageOID.SERVER_AUTH)
        return key_file.read_bytes(), certificate_file.read_bytes()

    def ensure_clients(self) -> dict[Role, Path]:
        """One folder for each role with cert.pem, key.pem and ca.pem."""
        return {role: self._ensure(LOCAL_TENANT, role, role.value) for role in Role if role is not Role.EDGE}

    def ensure_admins(self, names: Sequence[str]) -> list[Path]:
        """Further admins, a folder for each; approvals take several people. Raises ValueError for a name that can not
        stand in a SPIFFE id or is a role's.
        """
        for name in names:
            if not re.fullmatch(ID_PATTERN, name) or name in set(Role) or "--" in name:
                raise ValueError(
                    f"{name!r} can not name an admin: 1 to 63 lower-case letters, digits or hyphens, no role"
                )
        return [self._ensure(LOCAL_TENANT, Role.ADMIN, name) for name in names]

    def ensure_client(self, tenant: str, role: Role, name: str) -> Path:
        """An identity of any tenant but the service's own. Its folder is `home`/clients/{tenant}.{name}, or {name} for
        the operators' tenant; whoever is named so already has to be of this role. Raises ValueError for what can not
        stand in a SPIFFE id, and for a name that is another role's.
        """
        if not all(re.fullmatch(ID_PATTERN, part) for part in (tenant, name)) or tenant == SYSTEM_TENANT:
            raise ValueError(
                f"tenants/{tenant}/{role}/{name} can not be an identity: tenant and name are 1 to 63 lower-case "
                f"letters, digits or hyphens, and {SYSTEM_TENANT} is the service's own"
            )
        if name in {*Role} and name != role:
            raise ValueError(f"{name!r} can not name {role}: it is a role")
        return self._ensure(tenant, role, name)

    def _ensure(self, tenant: str, role: Role, name: str) -> Path:
        folder = self._clients / (name if tenant == LOCAL_TENANT else f"{tenant}.{name}")
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        uri = spiffe_id(self._trust_domain, tenant, role, name)
        names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
        self._ensure_leaf(folder / "key.pem", folder / "cert.pem", names, ExtendedKeyUsageOID.CLIENT_AUTH)
        write_pem(folder / "ca.pem", self.pem, 0o644)
        return folder

    def _load_or_make_authority(self) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
        key_file, certificate_file = self._tls / "ca.key", self._tls / "ca.pem"
        if key_file.exists() and certificate_file.exists():
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            if isinstance(key, ec.EllipticCurvePrivateKey):
                return key, x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Hallmark local authority")])
        certificate = (
            self._builder(name, name, key.public_key(), _AUTHORITY_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(key_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        write_pem(key_file, private_pem(key), 0o600)
        write_pem(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)
        return key, certificate

    def _ensure_leaf(
        self, key_file: Path, certificate_file: Path, names: list[x509.GeneralName], usage: x509.ObjectIdentifier
    ) -> None:
        if key_file.exists() and certificate_file.exists() and self._still_good(key_file, certificate_file, names):
            return
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = (
            self._builder(x509.Name([]), self.certificate.subject, key.public_key(), _LEAF_LIFE)
            .add_extension(x509.SubjectAlternativeName(names), critical=True)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        write_pem(key_file, private_pem(key), 0o600)
        write_pem(certificate_file, certificate.public_bytes(serialization.Encoding.PEM), 0o644)

    def _still_good(self, key_file: Path, certificate_file: Path, names: list[x509.GeneralName]) -> bool:
        """Valid now and for a while, by this authority's key, for this private key and these names."""
        try:
            certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
            key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
            certificate.verify_directly_issued_by(self.certificate)
            found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
            return False
        return (
            certificate.not_valid_before_utc <= self._now < certificate.not_valid_after_utc - _RENEW_BEFORE
            and certificate.public_key() == key.public_key()
            and list(found) == names
        )

    def _builder(
        self, subject: x509.Name, issuer: x509.Name, public_key: ec.EllipticCurvePublicKey, life: timedelta
    ) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(self._now - _SKEW)
            .not_valid_after(self._now + life)
        )


def general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def write_pem(path: Path, content: bytes, mode: int) -> None:
    """Never readable by others, not even for a moment; never half written; durable."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    sync_folder(path.parent)
