"""`hallmark watch` of a device: both feeds, by stream, poll or files, and how much of it is known to be current."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click
from cryptography import x509

from hallmark_client.bundle import load_public_key
from hallmark_client.client import Client
from hallmark_client.errors import Unavailable
from hallmark_client.profile import Profile
from hallmark_client.watch import (
    Change,
    Feed,
    PinnedKeys,
    Rung,
    ServiceKeys,
    Status,
    Watcher,
    WatchStatus,
    files_client,
    log_keys,
)
from hallmark_composite import CompositePublicKey
from hallmark_tlog.errors import FormatError
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from kms.cli.connection import Server
from kms.cli.failure import CommandError, ExitCode, not_usable
from kms.cli.output import print_json_line, read_file, short
from kms.core.identity import CERTIFICATE_NAME_PREFIX

_ONCE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.2
_HOW_KEY: Final = "`hallmark keys public tenants/system/keys/revocation-events --output service.pem` writes it"
_VKEY_BYTES_MAX: Final = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of the command."""

    state: Path | None
    once: bool
    files: str | None
    log_keys: tuple[Path, ...]
    tenant: str
    pinned: tuple[Path, ...]
    heartbeat: float
    limit: int | None
    as_json: bool


class _Printer:
    """Prints changes as they come, in the watcher's thread; after the last one that is wanted, nothing more counts."""

    def __init__(self, wanted: Wanted, stop: threading.Event) -> None:
        self._wanted = wanted
        self._stop = stop
        self._count = 0
        self._told: tuple[object, ...] = ()

    def change(self, change: Change) -> None:
        if self._stop.is_set():
            raise Unavailable("ENDING", "the command ends; next time this comes again")
        if self._wanted.as_json:
            print_json_line({"change": type(change).__name__, **change.to_dict()})
        else:
            reason = f"  {change.reason}" if change.reason else ""
            at = str(change.own.get("event_time", ""))[:19]
            click.echo(f"{at:19}  {_words(type(change).__name__)}  {short(change.subject)}{reason}")
        self._count += 1
        if self._count == self._wanted.limit:
            self._stop.set()

    def status(self, status: WatchStatus) -> None:
        """When it is another one."""
        told = (status.status, status.reasons, status.rung)
        if told == self._told:
            return
        self._told = told
        if self._wanted.as_json:
            print_json_line({"status": status.to_dict()})
        else:
            why = f" ({', '.join(status.reasons)})" if status.reasons else ""
            click.echo(f"{status.status.value} by {status.rung}{why}", err=True)


def watch_events(server: Server, wanted: Wanted, stop: threading.Event) -> None:
    """Until `stop`, the limit, or once. Raises CommandError (NOT_CURRENT) where that was asked for and is not so."""
    printer = _Printer(wanted, stop)
    with _watcher(server, wanted, printer) as watcher:
        if wanted.once:
            _once(watcher, printer, stop)
            return
        if not wanted.as_json:
            click.echo("Watching for what is granted and taken back; Ctrl-C ends it.", err=True)
        while not stop.wait(_LOOK_SECONDS):
            printer.status(watcher.status)


def _once(watcher: Watcher, printer: _Printer, stop: threading.Event) -> None:
    deadline = time.monotonic() + _ONCE_SECONDS
    while (status := watcher.status).status is not Status.VALID and not stop.is_set():
        tried = status.reasons and status.reasons != ("NEVER_WHOLE",)
        if tried or time.monotonic() > deadline:
            break
        stop.wait(_LOOK_SECONDS / 10)
    status = watcher.status
    printer.status(status)
    if status.status is not Status.VALID:
        why = ", ".join(status.reasons) or "no answer came in time"
        raise CommandError(
            "NOT_CURRENT",
            f"what is held is not known to be current: {why}",
            exit_code=ExitCode.NOT_SO,
            advice="Run it again; with --state, what was heard before is kept",
        )


@contextlib.contextmanager
def _watcher(server: Server, wanted: Wanted, printer: _Printer) -> Iterator[Watcher]:
    options: dict[str, Any] = {"heartbeat": timedelta(seconds=wanted.heartbeat), "on_change": printer.change}
    if wanted.state is not None:
        options["store"] = wanted.state
    if wanted.files is not None:
        options |= {"trusted_keys": _one_key(wanted.pinned), "log_policy": _log_policy(wanted.log_keys)}
        options |= {"files_url": wanted.files, "begin_with": Rung.FILES, "feeds": (Feed.GLOBAL,)}
        with Watcher(files_client(wanted.tenant), **options) as watcher:
            yield watcher
        return
    profile = server.profile()
    if wanted.once:
        options["begin_with"] = Rung.POLL
    from kms.cli.watch import pins_of

    with Client(profile) as client:
        options["trusted_keys"] = ServiceKeys(client, pins_of(wanted.pinned))
        options["log_policy"] = _log_policy(wanted.log_keys) if wanted.log_keys else log_keys(client)
        with Watcher(client, feeds=_feeds_of(profile), files_url=profile.public_url, **options) as watcher:
            yield watcher


def _feeds_of(profile: Profile) -> tuple[Feed, ...]:
    """Only a device that was attested has a feed of its own: its certificate says so."""
    if not profile.cert_pem:
        return (Feed.GLOBAL,)
    certificate = x509.load_pem_x509_certificate(profile.cert_pem)
    names: list[str] = []
    with contextlib.suppress(x509.ExtensionNotFound):
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        names = found.get_values_for_type(x509.UniformResourceIdentifier)
    is_device = any(f"/device/{CERTIFICATE_NAME_PREFIX}" in name for name in names)
    return (Feed.GLOBAL, Feed.DEVICE) if is_device else (Feed.GLOBAL,)


def _one_key(pinned: tuple[Path, ...]) -> PinnedKeys:
    if len(pinned) != 1:
        raise not_usable("SERVICE_KEY_MISSING", "files are verified with one --service-key", _HOW_KEY)
    key = load_public_key(pinned[0])
    if not isinstance(key, CompositePublicKey):
        raise not_usable("SERVICE_KEY_INVALID", f"{pinned[0]} is no composite key, and the service's key is", _HOW_KEY)
    return PinnedKeys(key)


def _log_policy(files: tuple[Path, ...]) -> list[VerifierKey]:
    if not files:
        advice = "`hallmark log keys --output log.vkey` writes it"
        raise not_usable("LOG_KEY_MISSING", "files are verified with the log's keys: --log-key", advice)
    try:
        lines = [line for file in files for line in read_file(file, _VKEY_BYTES_MAX).decode().splitlines() if line]
        return [parse_vkey(line) for line in lines]
    except (FormatError, UnicodeDecodeError) as error:
        raise not_usable("LOG_KEY_INVALID", f"that is no file of verifier keys: {error}") from error


def _words(name: str) -> str:
    """LeaseGranted, as LEASE GRANTED."""
    return "".join(f" {letter}" if letter.isupper() else letter.upper() for letter in name).strip()
