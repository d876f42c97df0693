"""`hallmark watch`: what is granted and taken back as it happens, verified before it is shown."""

import contextlib
import logging
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, assert_never

import click

from hallmark_client.watch.service_keys import ServiceKeys
from kms.cli.connection import Server, server_options
from kms.cli.failure import not_usable
from kms.cli.invocation import json_option
from kms.cli.output import moment, print_json_line, read_file, short, write_file

if TYPE_CHECKING:
    from hallmark_client.model.revocations import Frame

__all__ = ["ServiceKeys", "pins_of", "watch"]

_MAX_CURSOR_BYTES: Final = 4096


@click.command()
@click.option(
    "--state",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep what is held there (SQLite) and go on from it next time. Without one: from the beginning.",
)
@click.option("--once", is_flag=True, help="Ask once, then end with 0 when all is known to be current, else 1.")
@click.option("--files", metavar="URL", help="Read only the public files there, over plain HTTP: no API, no identity.")
@click.option(
    "--log-key",
    "log_keys",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    multiple=True,
    help="Believe proofs of the log that has this verifier key (see `hallmark log keys`). Default: ask the server.",
)
@click.option("--tenant", default="default", show_default=True, help="With --files: whose files.")
@click.option("--revocations", is_flag=True, help="For back offices: every revocation, as WatchRevocations tells them.")
@click.option(
    "--cursor-file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --revocations: keep the position there and go on from it next time. Without one: from the beginning.",
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
    *,
    revocations: bool,
    cursor_file: Path | None,
    pinned: tuple[Path, ...],
    heartbeat: float,
    limit: int | None,
    server: Server,
    as_json: bool,
    **events: Any,
) -> None:
    """Print what is granted and taken back as it happens, the earlier first. Ctrl-C ends it.

    A device sees what concerns everybody and what concerns itself: leases, consents, requests to delete. Each event is
    verified with the service's hybrid key before it is shown, and what grants something also with its proof of the log.
    When the connection or the server is lost, it goes on by itself.

    \b
    Example:  hallmark watch --profile phone --state phone.db
    Files:    hallmark watch --files https://status.example.com --service-key service.pem --log-key log.vkey --once
    Back office:  hallmark watch --revocations --cursor-file revocations.cursor --json
    """
    stop = threading.Event()
    with _ended_by_signals(stop), _telling_interruptions(stop):
        if revocations:
            _watch_revocations(_for_back_office(server), cursor_file, pinned, heartbeat, limit, stop, as_json=as_json)
            return
        if cursor_file is not None:
            raise not_usable("CURSOR_FILE", "--cursor-file is for --revocations", "--state keeps both feeds")
        from kms.cli.watch_events import Wanted, watch_events

        watch_events(server, Wanted(pinned=pinned, heartbeat=heartbeat, limit=limit, as_json=as_json, **events), stop)


def _for_back_office(server: Server) -> Server:
    """Devices may not watch the revocations of others, and this command is a device where nothing else is named."""
    is_named = server.role != "device" or server.profile_folder is not None
    return server if is_named else Server(home=server.home, role="backend", profile_folder=None)


def _watch_revocations(
    server: Server,
    cursor_file: Path | None,
    pinned: tuple[Path, ...],
    heartbeat: float,
    limit: int | None,
    stop: threading.Event,
    *,
    as_json: bool,
) -> None:
    cursor = _read_cursor(cursor_file)
    with server.connect(patient=True) as client:
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
    def __init__(self, stop: threading.Event) -> None:
        super().__init__(logging.INFO)
        self._stop = stop

    def emit(self, record: logging.LogRecord) -> None:
        if not self._stop.is_set():
            click.echo(record.getMessage(), err=True)


@contextlib.contextmanager
def _telling_interruptions(stop: threading.Event) -> Iterator[None]:
    """The watch goes on by itself when the server is lost; whoever looks on should know why it is quiet."""
    handler = _ToStderr(stop)
    loggers = [logging.getLogger(f"hallmark_client.{name}") for name in ("revocation_watch", "watch")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
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
