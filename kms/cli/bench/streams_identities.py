"""Ten thousand devices: keys, and certificates of a throw-away server's own authority."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from kms.core.names import ChildName
from kms.devices.model import device_name
from kms.server.device_certificates import DeviceAuthority
from kms.server.local_ca import LOCAL_TENANT, LocalAuthority

TRUST_DOMAIN: Final = "hallmark.local"
_LIFETIME: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Identity:
    """`key_spki`: DER."""

    device: ChildName
    key_spki: bytes


def make_identities(folder: Path, *, home: Path, count: int) -> list[Identity]:
    """Writes NUMBER.pem (private key and certificate) for each, and ca.pem. Server at `home`, which may run."""
    now = datetime.now(UTC)
    local = LocalAuthority(home, trust_domain=TRUST_DOMAIN, now=now)
    authority = DeviceAuthority(local, TRUST_DOMAIN, _LIFETIME)
    folder.mkdir(mode=0o700)
    (folder / "ca.pem").write_bytes(local.pem)
    made = []
    for number in range(count):
        key = ec.generate_private_key(ec.SECP256R1())
        spki = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        identity = Identity(device_name(LOCAL_TENANT, spki), spki)
        issued = x509.load_der_x509_certificate(authority.issue(identity.device, spki, now=now).certificate)
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{number}.pem").write_bytes(private + issued.public_bytes(Encoding.PEM))
        made.append(identity)
    return made
