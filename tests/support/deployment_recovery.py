"""How long it takes until a replica works again after a fault, and what the summary of `make test-fault` tells."""

import statistics
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from hallmark_client import Client, HallmarkError
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.reader import entries
from support.kill_book import Book
from support.service import RunningService

PROPERTY: Final = "deployment fault"
PATIENCE_SECONDS: Final = 60.0
_ATTEMPT_SECONDS: Final = 1.0
_PAUSE_SECONDS: Final = 0.02


def until_it_signs(service: RunningService, key: str, *, since: float, patience: float = PATIENCE_SECONDS) -> float:
    """Seconds from `since` (time.monotonic) until this replica has signed; a new connection for each attempt."""

    def sign(client: Client) -> None:
        client.signing.sign(key, uuid.uuid4().bytes)

    return until_it_works(service, sign, since=since, patience=patience)


def until_it_works(
    service: RunningService,
    call: Callable[[Client], None],
    *,
    since: float,
    role: str = "backend",
    patience: float = PATIENCE_SECONDS,
) -> float:
    """The same for any call. Raises what it failed with last."""
    deadline = time.monotonic() + patience
    while True:
        try:
            with service.client(role, timeout_seconds=_ATTEMPT_SECONDS) as client:
                call(client)
            return time.monotonic() - since
        except HallmarkError:
            if time.monotonic() > deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


def count_lost(service: RunningService, book: Book, size: int) -> int:
    """Acknowledged acts whose entry is not among the first `size` that this service's public files hold."""
    leaves = {leaf_hash(entry) for entry in entries(folder_fetcher(service.home / "public"), size)}
    return sum(answered.leaf not in leaves for given in book.answers.values() for answered in given)


def fault_row(fault: str, *, calls: int, lost: int | None, recovery: Sequence[float] = ()) -> dict[str, Any]:
    """For record_property(PROPERTY, ...). lost None: nothing could be lost, the fault is an attack."""
    return {
        "fault": fault,
        "times": max(len(recovery), 1),
        "calls": calls,
        "lost": lost,
        "median": statistics.median(recovery) if recovery else None,
        "worst": max(recovery, default=None),
    }


def table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines for people: what was done, how often, to how many calls, what was lost, how long until it worked again.

    The same fault of several tests is one row. The last line adds up.
    """
    if not rows:
        return []
    joined = [("FAULT", "TIMES", "CALLS", "LOST", "RECOVERY s", "WORST s")]
    for fault in sorted({row["fault"] for row in rows}):
        same = [row for row in rows if row["fault"] == fault]
        lost = [row["lost"] for row in same if row["lost"] is not None]
        worst = max((row["worst"] for row in same if row["worst"] is not None), default=None)
        medians = [row["median"] for row in same if row["median"] is not None]
        joined.append(
            (
                fault,
                str(sum(row["times"] for row in same)),
                f"{sum(row['calls'] for row in same):,}",
                str(sum(lost)) if lost else "-",
                "-" if not medians else f"{statistics.median(medians):.2f}",
                "-" if worst is None else f"{worst:.2f}",
            )
        )
    widths = [max(len(row[column]) for row in joined) for column in range(len(joined[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in joined]
    lost_in_all = sum(row["lost"] or 0 for row in rows)
    return ["", *lines, f"faults of a deployment: {len(joined) - 1} kinds, lost = {lost_in_all}"]
