"""Certificates that change while the server runs: files are looked at every few seconds, and read when they changed.

A file that can not be used changes nothing: what was read before stays in force, and a line in the log says so.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from kms.collateral.fetch import FetchFailed, read_file
from kms.core.clock import Clock, format_time
from kms.server.grpc_server import TlsMaterial
from kms.server.identity_authorities import Authorities, FileInvalid, revoked_of
from kms.server.identity_certificates import Certificates

AGAIN: Final = timedelta(hours=1)
"""How often what comes of no file is asked for: the local authority renews its certificate in good time."""
_END_IS_NEAR: Final = timedelta(days=7)
_logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """PEM of the server's key and of its certificate with intermediates."""

    private_key: bytes
    certificate: bytes
    expires: datetime

    def __repr__(self) -> str:
        return f"ServerCertificate(expires={self.expires})"


class Watched(Generic[T]):
    """One thing that is read from files, or asked for every hour when there are none. `read` raises FileInvalid."""

    def __init__(self, what: str, files: Iterable[Path], read: Callable[[datetime], T], now: datetime) -> None:
        """Raises FileInvalid: at the start everything must be usable."""
        self.what = what
        self._files = tuple(files)
        self._read = read
        self._stamp = self._stamped(now)
        self.value = read(now)

    def look(self, now: datetime) -> bool:
        """Whether it changed. Blocking; raises FileInvalid once for each change that can not be used."""
        stamp = self._stamped(now)
        if stamp == self._stamp:
            return False
        self._stamp = stamp
        before, self.value = self.value, self._read(now)
        return before != self.value

    def _stamped(self, now: datetime) -> tuple[Any, ...]:
        return tuple(map(_stamp, self._files)) or (int(now.timestamp() // AGAIN.total_seconds()),)


@dataclass(frozen=True, slots=True)
class Sources:
    """What TLS and certificates of clients rest on. `crls`: of any of the authorities."""

    server: Watched[ServerCertificate]
    authorities: tuple[Watched[Authorities], ...]
    crls: tuple[Watched[x509.CertificateRevocationList], ...] = ()


class CertificateKeeper:
    """`current` is what a handshake uses. For metrics: `server_expires`, `changes` and `failures` since the start."""

    def __init__(self, sources: Sources, certificates: Certificates, clock: Clock, *, look_seconds: float = 5) -> None:
        """Raises FileInvalid."""
        self._sources = sources
        self._certificates = certificates
        self._clock = clock
        self._look_seconds = look_seconds
        self.changes = 0
        self.failures = 0
        self._revoked: dict[str, frozenset[str]] = {}
        self._told_of_end: tuple[datetime, bool] | None = None
        self.current = self._put_together(at_start=True)

    @property
    def server_expires(self) -> datetime:
        return self._sources.server.value.expires

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._look_seconds)
            try:
                await self.look()
            except Exception as error:  # a folder that vanished must not end the watch
                self._failed("certificates", error)

    async def look(self) -> bool:
        """Once. Whether anything changed."""
        now = self._clock.now()
        everything: tuple[Watched[Any], ...] = (
            self._sources.server,
            *self._sources.authorities,
            *self._sources.crls,
        )
        changed = [each.what for each in everything if await asyncio.to_thread(self._look_at, each, now)]
        if not changed:
            self._tell_of_the_end(now)
            return False
        self.current = self._put_together()
        self.changes += 1
        _logger.info(
            "%s changed: new connections use it, the server's certificate ends %s",
            " and ".join(changed),
            format_time(self.server_expires),
        )
        return True

    def _look_at(self, each: Watched[Any], now: datetime) -> bool:
        try:
            return each.look(now)
        except (FileInvalid, FetchFailed) as error:
            self._failed(each.what, error)
            return False

    def _failed(self, what: str, error: Exception) -> None:
        self.failures += 1
        _logger.warning("%s can not be read, what was in force before stays: %s", what, error)

    def _put_together(self, *, at_start: bool = False) -> TlsMaterial:
        authorities = [each.value for each in self._sources.authorities]
        for each in self._sources.crls:
            try:
                self._revoked[each.what] = revoked_of(each.value, authorities, each.what)
            except FileInvalid as error:
                if at_start:
                    raise
                self._failed(each.what, error)
        self._certificates.replace(authorities, frozenset().union(*self._revoked.values()))
        server = self._sources.server.value
        self._tell_of_the_end(self._clock.now())
        bundle = b"".join(
            certificate.public_bytes(Encoding.PEM) for each in authorities for certificate in each.certificates
        )
        return TlsMaterial(server.private_key, server.certificate, bundle)

    def _tell_of_the_end(self, now: datetime) -> None:
        """Once when the end is near, once when it is there."""
        expires = self.server_expires
        has_ended = expires <= now
        if expires - now >= _END_IS_NEAR or self._told_of_end == (expires, has_ended):
            return
        self._told_of_end = expires, has_ended
        if has_ended:
            _logger.error("the server's certificate ended %s: clients refuse new connections", format_time(expires))
        else:
            _logger.warning("the server's certificate ends %s", format_time(expires))


def server_certificate(private_key: bytes, certificate: bytes, where: str, now: datetime) -> ServerCertificate:
    """Raises FileInvalid unless they are PEM, belong together, and hold now."""
    try:
        leaf = x509.load_pem_x509_certificates(certificate)[0]
        key = load_pem_private_key(private_key, password=None)
        form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        belongs = key.public_key().public_bytes(*form) == leaf.public_key().public_bytes(*form)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause's text: it may quote what it could not parse.
        raise FileInvalid(f"{where}: no certificate and unencrypted private key in PEM form") from None
    if not belongs:
        raise FileInvalid(f"{where}: the private key is not that of the certificate")
    if not leaf.not_valid_before_utc <= now < leaf.not_valid_after_utc:
        raise FileInvalid(
            f"{where}: the certificate holds from {leaf.not_valid_before_utc} to {leaf.not_valid_after_utc}, not now"
        )
    return ServerCertificate(private_key, certificate, leaf.not_valid_after_utc)


def file_bytes(path: Path) -> bytes:
    """Raises FileInvalid."""
    try:
        return read_file(path)[0]
    except FetchFailed as error:
        raise FileInvalid(str(error)) from None


def _stamp(path: Path) -> tuple[int, int, int] | None:
    """Links are followed: Kubernetes changes a secret by changing one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
