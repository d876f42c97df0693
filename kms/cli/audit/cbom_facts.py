"""What a CBOM is made from: what the server says, what its TLS port shows, what is installed here."""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography import x509

from hallmark_client.client import Client
from hallmark_client.model.audit import CoverageReport
from hallmark_client.model.capabilities import Capabilities
from hallmark_client.model.keys import Key
from hallmark_client.profile import Profile
from kms.cli.audit.distribution import Package, installed

CRYPTO_PACKAGES: Final = ("cryptography", "grpcio", "liboqs-python", "pycryptodome", "pyjwt", "python-pkcs11")
"""Those of the packages that do cryptography, or drive what does."""
_TIMEOUT_SECONDS: Final = 5.0
_VERSIONS: Final = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}


@dataclass(frozen=True, slots=True)
class Handshake:
    """What the server agreed to: a TLS version such as "1.3", and a cipher suite."""

    version: str
    suite: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """`certificates`: by what they are for."""

    address: str
    capabilities: Capabilities
    keys: tuple[Key, ...]
    coverage: CoverageReport
    handshakes: tuple[Handshake, ...]
    certificates: Mapping[str, x509.Certificate]
    packages: Mapping[str, Package]
    openssl: str


def gather(client: Client, profile: Profile, folder: Path) -> Facts:
    """Raises HallmarkError. `folder`: of the profile, with the certificate that TLS shows."""
    from cryptography.hazmat.backends.openssl.backend import backend

    handshakes, server = _look(profile, folder)
    certificates = {"authority of the server": x509.load_pem_x509_certificate(profile.ca_pem)}
    if server is not None:
        certificates = {"server": x509.load_der_x509_certificate(server), **certificates}
    packages = installed()
    return Facts(
        address=profile.address,
        capabilities=client.capabilities(),
        keys=tuple(client.keys.list()),
        coverage=client.audit.coverage(),
        handshakes=handshakes,
        certificates=certificates,
        packages={name: packages[name] for name in CRYPTO_PACKAGES if name in packages},
        openssl=backend.openssl_version_text(),
    )


def _look(profile: Profile, folder: Path) -> tuple[tuple[Handshake, ...], bytes | None]:
    """One handshake for each version; what the server refuses is not listed. The certificate is DER."""
    found: list[Handshake] = []
    certificate = None
    for name, version in _VERSIONS.items():
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.set_alpn_protocols(["h2"])
        context.load_verify_locations(cadata=profile.ca_pem.decode("ascii"))
        if (folder / "cert.pem").exists():
            context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
        context.minimum_version = context.maximum_version = version
        host, _, port = profile.address.rpartition(":")
        try:
            with (
                socket.create_connection((host.strip("[]"), int(port)), _TIMEOUT_SECONDS) as connection,
                context.wrap_socket(connection, server_hostname=host.strip("[]")) as secured,
            ):
                suite = secured.cipher()
                certificate = secured.getpeercert(binary_form=True) or certificate
        except (OSError, ValueError):
            continue
        if suite is not None:
            found.append(Handshake(name, suite[0]))
    return tuple(found), certificate
