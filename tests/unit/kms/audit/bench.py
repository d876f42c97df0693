"""Calls over connections, as the guard makes them."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kms.core.call import Call, Channel
from kms.core.identity import Caller, Role
from support.clock import START

SIGN = "/hallmark.v1.SigningService/Sign"
KEY = "tenants/default/keys/manifest"


def make_call(
    *,
    port: int = 4711,
    method: str = SIGN,
    role: Role = Role.BACKEND,
    name: str = "backend",
    tenant: str = "default",
    group: str = "X25519MLKEM768",
    tls_version: str = "TLSv1.3",
    now: datetime = START,
) -> Call:
    caller = Caller(f"spiffe://example/tenants/{tenant}/{role}/{name}", tenant, role, name)
    return Call("id", method, caller, Channel(f"ipv4:192.0.2.7:{port}", tls_version, group), now)


def make_certificate(key: object | None = None) -> bytes:
    """PEM, signed by itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime(2026, 1, 1, tzinfo=UTC)
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(now).not_valid_after(now + timedelta(days=1))
    digest = hashes.SHA256() if isinstance(key, ec.EllipticCurvePrivateKey) or hasattr(key, "decrypt") else None
    return builder.sign(key, digest).public_bytes(serialization.Encoding.PEM)
