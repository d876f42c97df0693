"""One line for every call: who, what, over which connection, and how it ended.

Written by hand: at full load these lines are a tenth of what the server does.
"""

import json
import logging
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from kms.core.call import Call, Channel
from kms.core.clock import format_time
from kms.core.telemetry import json_writer

_LOGGER: Final = logging.getLogger("hallmark.audit")
_quoted = lru_cache(maxsize=4096)(json.dumps)
"""JSON of a text. The same callers, peers and methods come again and again."""


@dataclass(slots=True)
class Entry:
    """What is known of a call while it runs. `started`: of time.perf_counter. `received`, `sent`: bytes of messages."""

    id: str
    method: str
    channel: Channel
    now: datetime
    started: float
    call: Call | None = None
    items: int = 1
    received: int = 0
    sent: int = 0


class AuditLines:
    """A kms.server.doors.Observer."""

    def admitted(self, entry: Entry, auth: object) -> None:
        """A line is written when the call is over."""

    def finished(self, entry: Entry, outcome: str, reason: str) -> None:
        record(entry, outcome, reason)


def record(entry: Entry, outcome: str, reason: str) -> None:
    """`outcome`: name of the gRPC code. `reason`: of the ErrorInfo, empty when all is well."""
    if not _LOGGER.isEnabledFor(logging.INFO):
        return
    milliseconds = round((time.perf_counter() - entry.started) * 1000, 2)
    writer = json_writer()
    if writer is not None:
        writer.put(_line(entry, outcome, reason, milliseconds))
        return
    caller = entry.call.caller.spiffe_id if entry.call is not None else ""
    facts = {"method": entry.method, "caller": caller, "outcome": outcome, "reason": reason, "ms": milliseconds}
    _LOGGER.info("call", extra={"facts": {"call_id": entry.id, **facts}})


def _line(entry: Entry, outcome: str, reason: str, milliseconds: float) -> str:
    caller = entry.call.caller if entry.call is not None else None
    channel = entry.channel
    return (
        f'{{"time":"{format_time(entry.now)}","level":"info","logger":"hallmark.audit","message":"call"'
        f',"call_id":"{entry.id}","method":{_quoted(entry.method)}'
        f',"caller":{_quoted(caller.spiffe_id if caller else "")},"tenant":{_quoted(caller.tenant if caller else "")}'
        f',"peer":{_quoted(channel.peer)},"tls_version":{_quoted(channel.tls_version)}'
        f',"tls_group":{_quoted(channel.group)},"items":{entry.items}'
        f',"outcome":"{outcome}","reason":"{reason}","milliseconds":{milliseconds}}}'
    )
