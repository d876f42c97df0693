"""Who this client is and which server it talks to: one small folder, written by the server on its first run."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from hallmark_client.errors import ProfileInvalid

_MAX_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = 0o077
"""Permission bits of group and others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Address and TLS identity of one client.

    address: host:port of the gRPC server. ca_pem: authority of the server's certificate. cert_pem, key_pem: this
    client's certificate (chain) and private key, PEM; the key never shows in a repr. tenant: completes short names.
    public_url: where the log's public files are served, when they are.
    Raises ProfileInvalid when the PEM does not parse or the key is not the certificate's.
    """

    address: str
    ca_pem: bytes
    cert_pem: bytes
    key_pem: bytes = field(repr=False)
    tenant: str = "default"
    public_url: str | None = None

    def __post_init__(self) -> None:
        _check_identity(self.ca_pem, self.cert_pem, self.key_pem)

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read `profile.json`, `ca.pem`, `cert.pem` and `key.pem` from a folder.

        Raises ProfileInvalid: a file is missing or unusable, or others than the owner may read the key.
        """
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise ProfileInvalid(
                "PROFILE_MISSING",
                f"{root} is not a folder; `hallmark serve` makes one per client, <home>/clients/<name>, at its start",
            )
        settings = {"tenant": "default", **_read_settings(root / "profile.json")}
        _refuse_readable_key(root / "key.pem")
        return cls(
            address=_text(settings, "address", root / "profile.json"),
            ca_pem=_read(root / "ca.pem"),
            cert_pem=_read(root / "cert.pem"),
            key_pem=_read(root / "key.pem"),
            tenant=_text(settings, "tenant", root / "profile.json"),
            public_url=_text(settings, "public_url", root / "profile.json") if settings.get("public_url") else None,
        )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_FILE_BYTES + 1)
    except FileNotFoundError:
        raise ProfileInvalid(
            "PROFILE_FILE_MISSING",
            f"{path} is missing; `hallmark serve` writes it again when it starts, or copy the whole profile folder",
        ) from None
    except OSError as error:
        raise ProfileInvalid("PROFILE_FILE_UNREADABLE", f"{path} can not be read: {error.strerror}") from error
    if len(data) > _MAX_FILE_BYTES:
        raise ProfileInvalid("PROFILE_FILE_INVALID", f"{path} is larger than {_MAX_FILE_BYTES} bytes")
    return data


def _read_settings(path: Path) -> dict[str, Any]:
    data = _read(path)
    try:
        settings = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise ProfileInvalid("PROFILE_FILE_INVALID", f"{path} is not JSON") from error
    if not isinstance(settings, dict):
        raise ProfileInvalid("PROFILE_FILE_INVALID", f'{path} must be an object with "address"')
    return settings


def _text(settings: dict[str, Any], key: str, path: Path) -> str:
    value = settings.get(key)
    if not isinstance(value, str) or not value:
        sentence = f'{path} needs "{key}" as text, for example "address": "localhost:7443"'
        raise ProfileInvalid("PROFILE_FILE_INVALID", sentence)
    return value


def _refuse_readable_key(path: Path) -> None:
    """A private key that others may read has to be taken as known to them (the rule of OpenSSH)."""
    if os.name != "posix":
        return
    try:
        mode = path.stat().st_mode & 0o777
    except FileNotFoundError:
        return  # _read says it better
    if mode & _OTHERS:
        sentence = f"{path} may be read by others (mode {mode:04o}); run: chmod 600 {path}"
        raise ProfileInvalid("PROFILE_KEY_EXPOSED", sentence)


def _check_identity(ca_pem: bytes, cert_pem: bytes, key_pem: bytes) -> None:
    """Unusable PEM would show only as a failed handshake without a reason, so it is looked at here."""
    try:
        x509.load_pem_x509_certificates(ca_pem)
    except ValueError as error:
        raise ProfileInvalid("PROFILE_CA_INVALID", "ca.pem holds no certificate in PEM form") from error
    try:
        certificate = x509.load_pem_x509_certificates(cert_pem)[0]
    except ValueError as error:
        raise ProfileInvalid("PROFILE_CERTIFICATE_INVALID", "cert.pem holds no certificate in PEM form") from error
    try:
        key = serialization.load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        # Without the cause's text: it may quote what it could not parse.
        raise ProfileInvalid("PROFILE_KEY_INVALID", "key.pem holds no unencrypted private key in PEM form") from error
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if key.public_key().public_bytes(*form) != certificate.public_key().public_bytes(*form):
        raise ProfileInvalid("PROFILE_KEY_MISMATCH", "key.pem is not the private key of cert.pem")
