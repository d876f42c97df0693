"""An edge's own identity: one certificate with which it calls the API and serves its clients, made by an API replica.

The edge never has the authority's key. Its certificate is an X509-SVID (one URI name) with the names under which
clients reach it beside.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from kms.config import Config
from kms.core.identity import Role
from kms.server.identity import spiffe_id
from kms.server.local_ca import LOCAL_TENANT, LocalAuthority, general_name, key_usage, private_pem, write_pem

_LIFE: Final = timedelta(days=365)
_RENEW_BEFORE: Final = timedelta(days=30)
_SKEW: Final = timedelta(minutes=5)


def ensure_edges(config: Config, authority: LocalAuthority, now: datetime) -> list[Path]:
    """The folder clients/edge-NAME of each edge in the settings, with cert.pem, key.pem and ca.pem. What expires within
    a month, or has other names, is made again.
    """
    return [_ensure(config, authority, name, now) for name in config.edge.names]


def _ensure(config: Config, authority: LocalAuthority, name: str, now: datetime) -> Path:
    folder = config.home / "clients" / f"edge-{name}"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    uri = spiffe_id(config.server.trust_domain, LOCAL_TENANT, Role.EDGE, name)
    names: list[x509.GeneralName] = [x509.UniformResourceIdentifier(uri)]
    names += [general_name(host) for host in config.edge.host_names]
    write_pem(folder / "ca.pem", authority.pem, 0o644)
    if not _is_good(folder, authority, names, now):
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(authority, key.public_key(), names, now)
        write_pem(folder / "key.pem", private_pem(key), 0o600)
        write_pem(folder / "cert.pem", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
    return folder


def _certificate(
    authority: LocalAuthority, key: ec.EllipticCurvePublicKey, names: list[x509.GeneralName], now: datetime
) -> x509.Certificate:
    usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
    return (
        x509.CertificateBuilder()
        .subject_name(x509.Name([]))
        .issuer_name(authority.certificate.subject)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(min(now + _LIFE, authority.certificate.not_valid_after_utc))
        .add_extension(x509.SubjectAlternativeName(names), critical=True)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(ca=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(authority.issuing_key.public_key()), critical=False
        )
        .sign(authority.issuing_key, hashes.SHA256())
    )


def _is_good(folder: Path, authority: LocalAuthority, names: list[x509.GeneralName], now: datetime) -> bool:
    try:
        certificate = x509.load_pem_x509_certificate((folder / "cert.pem").read_bytes())
        key = serialization.load_pem_private_key((folder / "key.pem").read_bytes(), password=None)
        certificate.verify_directly_issued_by(authority.certificate)
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    is_ours = certificate.public_key() == key.public_key() and list(found) == names
    return is_ours and certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - _RENEW_BEFORE
