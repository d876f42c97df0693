"""How fast the log takes entries: one throw-away server for the speeds, one for the cost at growing sizes."""

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kms.cli.bench.cpu import resident_bytes
from kms.cli.bench.log_report import AtSize, Load, LogReport
from kms.cli.bench.measure import cores
from kms.cli.bench.processes import run_log_callers
from kms.cli.bench.scratch import scratch_folder
from kms.cli.child import ServerProcess
from kms.cli.output import write_file

_BATCH_CLIENTS: Final = 8
_FILL_BATCH: Final = 512
_FILL_SECONDS: Final = 3600.0
_SIZE_SECONDS: Final = 2.0
_INDEX_SECONDS: Final = 300.0
_INDEX_POLL_SECONDS: Final = 0.2
# One caller is meant to use the whole server here; all else is as `hallmark serve` has it.
_SETTINGS: Final = "[server]\nrate_per_second = 1e9\nstreams_per_caller = 4096\n"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPlan:
    """sizes: entries that the log has when the cost of an append is measured, rising; may be empty."""

    clients: int
    batch: int
    seconds: float
    sizes: tuple[int, ...]


def measure_log(plan: LogPlan, *, say: Say) -> LogReport:
    """Raises CommandError, HallmarkError."""
    with scratch_folder() as folder:
        with _server(folder / "speed") as server:
            loads = tuple(_load(server, mode, plan, say) for mode in ("stream", "unary", "batch"))
        sizes: tuple[AtSize, ...] = ()
        if plan.sizes:
            with _server(folder / "sizes") as server:
                sizes = tuple(_at_size(server, size, plan, say) for size in plan.sizes)
    return LogReport(cores=cores(), seconds=plan.seconds, loads=loads, sizes=sizes)


@contextlib.contextmanager
def _server(folder: Path) -> Iterator[ServerProcess]:
    folder.mkdir()
    settings = folder / "settings.toml"
    write_file(settings, _SETTINGS.encode())
    process = ServerProcess(home=folder / "home", log_file=folder / "server.log", settings_file=settings)
    try:
        process.start()
        yield process
    finally:
        process.stop()


def _load(server: ServerProcess, mode: str, plan: LogPlan, say: Say) -> Load:
    clients = _BATCH_CLIENTS if mode == "batch" else plan.clients
    say(f"measuring {mode} appends with {clients} clients")
    before, began = _checkpoints(server), time.monotonic()
    found = run_log_callers(
        _profile(server), server.pid, mode=mode, clients=clients, batch=plan.batch, seconds=plan.seconds
    )
    published = (_checkpoints(server) - before) / (time.monotonic() - began)
    return Load(mode=mode, clients=clients, batch=plan.batch, found=found, checkpoints_per_second=published)


def _at_size(server: ServerProcess, size: int, plan: LogPlan, say: Say) -> AtSize:
    """Fills up to that size, unless what was measured before went beyond it."""
    say(f"filling the log up to {size:,} entries")
    while (missing := size - _entries(server)) > 0:
        batch = min(missing, _FILL_BATCH)
        run_log_callers(
            _profile(server),
            server.pid,
            mode="fill",
            clients=min(_BATCH_CLIENTS, missing // batch),
            batch=batch,
            seconds=_FILL_SECONDS,
            entries=missing // batch * batch,
        )
    entries = _entries(server)
    say(f"waiting until the index that entries are found by has caught up with {entries:,}")
    _wait_for_index(server, entries)
    say(f"measuring single appends at {entries:,} entries")
    seconds = min(plan.seconds, _SIZE_SECONDS)
    found = run_log_callers(_profile(server), server.pid, mode="stream", clients=plan.clients, batch=1, seconds=seconds)
    return AtSize(
        entries=entries,
        found=found,
        memory_bytes=resident_bytes(server.pid),
        database_bytes_per_entry=_database(server).stat().st_size / _entries(server),
    )


def _profile(server: ServerProcess) -> Path:
    return server.home / "clients" / "backend"


def _database(server: ServerProcess) -> Path:
    return server.home / "hallmark.db"


def _entries(server: ServerProcess) -> int:
    return _ask(server, "SELECT size FROM tlog_state")


def _checkpoints(server: ServerProcess) -> int:
    return _ask(server, "SELECT count(*) FROM tlog_checkpoint WHERE note IS NOT NULL")


def _wait_for_index(server: ServerProcess, size: int) -> None:
    """It is made after publication, and takes a moment after a million entries in one go."""
    end = time.monotonic() + _INDEX_SECONDS
    while _ask(server, "SELECT coalesce(max(idx), -1) + 1 FROM tlog_search") < size and time.monotonic() < end:
        time.sleep(_INDEX_POLL_SECONDS)


def _ask(server: ServerProcess, query: str) -> int:
    """Of the database itself, beside the server."""
    with contextlib.closing(sqlite3.connect(f"file:{_database(server)}?mode=ro", uri=True)) as database:
        return int(database.execute(query).fetchone()[0])
