"""`hallmark watch`: revocations as they happen, verified before they are shown."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, assert_never

import click

from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json_line, read_file, short, write_file

if TYPE_CHECKING:
    from hallmark_client.client import Client
    from hallmark_client.model.revocations import Frame
    from hallmark_composite import CompositePublicKey

_SERVICE_KEYS: Final = "tenants/system/keys/"
_MAX_CURSOR_BYTES: Final = 4096


@click.command()
@click.option(
    "--cursor-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the position there and go on from it next time. Without one: from the beginning.",
)
@click.option(
    "--service-key",
    "pinned",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Believe only this public key of the service (PEM). Default: ask the server for its keys.",
)
@click.option("--heartbeat", type=click.FloatRange(1, 300), default=30, show_default=True, help="Seconds between two.")
@click.option("--limit", type=click.IntRange(min=1), help="End after this many events.")
@server_options("device")
@json_option
def watch(
    cursor_file: Path | None,
    pinned: tuple[Path, ...],
    heartbeat: float,
    limit: int | None,
    server: Server,
    as_json: bool,
) -> None:
    """Print revocations as they happen, the earlier ones first. Ctrl-C ends it.

    Every event is verified with the service's hybrid key before it is shown; heartbeats are signed over our own random
    bytes, so silence and replays are noticed. When the connection or the server is lost, it goes on by itself.

    \b
    Example:  hallmark watch --cursor-file revocations.cursor --json
    Then, in another terminal:  hallmark revoke manifest/versions/1 --reason key-compromise
    """
    stop = threading.Event()
    cursor = _read_cursor(cursor_file)
    with server.connect(patient=True) as client, _ended_by_signals(stop), _telling_interruptions():
        frames = client.revocations.watch(
            cursor=cursor, heartbeat_seconds=heartbeat, trusted_keys=ServiceKeys(client, pins_of(pinned)), stop=stop
        )
        if not as_json:
            click.echo("Watching for revocations; Ctrl-C ends it.", err=True)
        _follow(frames, cursor_file, limit, as_json=as_json)


def _follow(frames: "Iterator[Frame]", cursor_file: Path | None, limit: int | None, *, as_json: bool) -> None:
    from hallmark_client.model.revocations import Event

    kept, events = "", 0
    for frame in frames:
        if as_json:
            print_json_line({"frame": type(frame).__name__.lower(), **frame.to_dict()})
        else:
            _tell(frame)
        if cursor_file is not None and frame.cursor != kept:
            write_file(cursor_file, frame.cursor.encode())  # only now: what was not shown comes again
            kept = frame.cursor
        events += isinstance(frame, Event)
        if events == limit:
            return


@dataclass(frozen=True, slots=True)
class ServiceKeys(Mapping[str, "CompositePublicKey"]):
    """The service's own public keys by version name, asked for when first met and kept.

    With pins, a key counts only if it is one of them; without, the server that mutual TLS proved is believed.
    """

    client: "Client"
    pins: frozenset[bytes] = frozenset()
    """SHA-256 of the SubjectPublicKeyInfo of each key to believe."""
    _known: dict[str, "CompositePublicKey"] = field(default_factory=dict)

    def __getitem__(self, version: str) -> "CompositePublicKey":
        if version not in self._known:
            # Nobody else's key may speak for the service, whatever an event names.
            if not version.startswith(_SERVICE_KEYS):
                raise KeyError(version)
            key = self.client.keys.public_key(version).composite()
            if self.pins and key.fingerprint() not in self.pins:
                raise KeyError(version)
            self._known[version] = key
        return self._known[version]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def pins_of(files: tuple[Path, ...]) -> frozenset[bytes]:
    """For `ServiceKeys`, from PEM files."""
    from hallmark_client.bundle import load_public_key

    return frozenset(load_public_key(file).fingerprint() for file in files)


def _read_cursor(cursor_file: Path | None) -> str:
    if cursor_file is None or not cursor_file.exists():
        return ""
    try:
        return read_file(cursor_file, _MAX_CURSOR_BYTES).decode("ascii").strip()
    except UnicodeDecodeError:
        advice = "Remove it to begin from the start"
        raise not_usable("CURSOR_FILE", f"{cursor_file} does not hold a position", advice) from None


@contextlib.contextmanager
def _ended_by_signals(stop: threading.Event) -> Iterator[None]:
    """SIGINT and SIGTERM end the watch in order, after the frame at hand."""
    previous: dict[signal.Signals, Any] = {}
    for number in (signal.SIGINT, signal.SIGTERM):
        previous[number] = signal.signal(number, lambda *_: stop.set())
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


class _ToStderr(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        click.echo(record.getMessage(), err=True)


@contextlib.contextmanager
def _telling_interruptions() -> Iterator[None]:
    """The watch goes on by itself when the server is lost; whoever looks on should know why it is quiet."""
    logger, handler = logging.getLogger("hallmark_client.revocation_watch"), _ToStderr(logging.INFO)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def _tell(frame: "Frame") -> None:
    from hallmark_client.model.revocations import Bookmark, Event, Goodbye, Heartbeat

    match frame:
        case Event(event=event) if event.assurance is not None:
            levels = f"{_level(event.assurance.previous_level)} -> {_level(event.assurance.current_level)}"
            click.echo(f"{moment(event.event_time)}  ASSURANCE  {short(event.subject)}  {levels}")
        case Event(event=event):
            earlier = event.effective_time < event.event_time
            effective = f", effective {moment(event.effective_time)}" if earlier else ""
            click.echo(f"{moment(event.event_time)}  REVOKED  {short(event.subject)}  {event.reason}{effective}")
        case Goodbye():
            click.echo(f"The server is closing ({frame.reason}); it is called again by itself.", err=True)
        case Bookmark() | Heartbeat():
            pass
        case _:
            assert_never(frame)


def _level(level: str) -> str:
    return level.lower().replace("_", " ")
