"""Who this client is and which server it talks to: one small folder, written by the server on its first run."""

import json
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import grpc
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from hallmark_client.errors import ProfileInvalid
from hallmark_client.token_credentials import TokenFile, asked, channel_credentials

_MAX_FILE_BYTES: Final = 64 * 1024
_OTHERS: Final = 0o077
"""Permission bits of group and others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Address and identity of one client: a certificate, a bearer token, or both.

    address: host:port of the gRPC server; with a token alone, of its port for tokens. ca_pem: authority of the server's
    certificate. cert_pem, key_pem: this client's certificate (chain) and private key, PEM; the key never shows in a
    repr. token: asked for the bearer token before each call, in any thread; token_file: a file with it instead, which
    may change. tenant: completes short names. public_url: where the log's public files are served, when they are.
    Raises ProfileInvalid when the PEM does not parse, the key is not the certificate's, or there is no identity.
    """

    address: str
    ca_pem: bytes
    cert_pem: bytes = b""
    key_pem: bytes = field(default=b"", repr=False)
    tenant: str = "default"
    public_url: str | None = None
    token_file: Path | None = None
    token: Callable[[], str] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check_authority(self.ca_pem)
        has_token = self.token is not None or self.token_file is not None
        if self.token is not None and self.token_file is not None:
            raise ProfileInvalid("PROFILE_TOKEN_TWICE", "give either token or token_file")
        if self.cert_pem or self.key_pem or not has_token:
            _check_identity(self.cert_pem, self.key_pem)

    def bearer(self) -> Callable[[], str] | None:
        """What gives the token of the moment; None without one. It raises ProfileInvalid, Unavailable."""
        if self.token_file is not None:
            return TokenFile(self.token_file)
        return None if self.token is None else asked(self.token)

    def credentials(self, bearer: Callable[[], str] | None = None) -> grpc.ChannelCredentials:
        """For channels of grpc and grpc.aio. bearer: of `bearer`."""
        return channel_credentials(
            ca_pem=self.ca_pem, cert_pem=self.cert_pem, key_pem=self.key_pem, token=bearer or self.bearer()
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Self:
        """Read `profile.json`, `ca.pem`, `cert.pem` and `key.pem` from a folder.

        Instead of the last two, or beside them when it is bound to the certificate: `token`, a file with a bearer
        token, or `token-file`, a file with the path of one (from this folder, or absolute).
        Raises ProfileInvalid: a file is missing or unusable, or others than the owner may read key or token.
        """
        root = Path(folder).expanduser()
        if not root.is_dir():
            raise ProfileInvalid(
                "PROFILE_MISSING",
                f"{root} is not a folder; `hallmark serve` makes one per client, <home>/clients/<name>, at its start",
            )
        settings = {"tenant": "default", **_read_settings(root / "profile.json")}
        for secret in ("key.pem", "token"):
            _refuse_readable(root / secret)
        token_file = _token_file(root)
        has_certificate = token_file is None or (root / "cert.pem").exists()
        return cls(
            address=_text(settings, "address", root / "profile.json"),
            ca_pem=_read(root / "ca.pem"),
            cert_pem=_read(root / "cert.pem") if has_certificate else b"",
            key_pem=_read(root / "key.pem") if has_certificate else b"",
            token_file=token_file,
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


def _token_file(root: Path) -> Path | None:
    if (root / "token").exists():
        return root / "token"
    if not (root / "token-file").exists():
        return None
    return root / Path(os.fsdecode(_read(root / "token-file").strip())).expanduser()


def _refuse_readable(path: Path) -> None:
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


def _check_authority(ca_pem: bytes) -> None:
    """Unusable PEM would show only as a failed handshake without a reason, so it is looked at here."""
    try:
        x509.load_pem_x509_certificates(ca_pem)
    except ValueError as error:
        raise ProfileInvalid("PROFILE_CA_INVALID", "ca.pem holds no certificate in PEM form") from error


def _check_identity(cert_pem: bytes, key_pem: bytes) -> None:
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
