"""One line for each removal, as spreadsheets read it (RFC 4180)."""

import csv
import io
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hallmark_client.model.removals import Removal

_TIMES: Final = (
    "effective_time", "issue_time", "deliver_time", "acknowledge_time", "receipt_time", "deadline", "lease_end_time",
)  # fmt: skip
COLUMNS: Final = ("removal", "device", "artifact", "consent", "state", "grade", *_TIMES, "log_entry", "reason")
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")


def removals_csv(removals: Iterable["Removal"], *, since: datetime, until: datetime) -> str:
    """Of those issued since and before; `removals` come newest first, and reading ends with the first that is older."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for removal in removals:
        if removal.issue_time < since:
            break
        if removal.issue_time < until:
            writer.writerow([_cell(value) for value in _row(removal)])
    return text.getvalue()


def _row(removal: "Removal") -> list[str]:
    from hallmark_client.model.result import rfc3339

    log = None if removal.receipt is None else removal.receipt.log
    times = [getattr(removal, name) for name in _TIMES]
    return [
        removal.name,
        removal.device,
        removal.artifact,
        removal.consent,
        removal.state.lower(),
        "" if removal.grade is None else str(removal.grade),
        *("" if each is None else rfc3339(each) for each in times),
        "" if log is None else log.event_key,
        removal.reason,
    ]


def _cell(text: str) -> str:
    """Spreadsheets run what begins like a formula; the reason is an operator's free text."""
    return f"'{text}" if text.startswith(_FORMULA) else text
