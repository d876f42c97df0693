"""One line for every call: who, what, over which connection, and how it ended.

Written by hand: at full load these lines are a tenth of what the server does. Nothing that a caller sent is in them but
names that are spelled as names are.
"""

import json
import logging
import re
import time
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final

from kms.audit.model import NO_CERTIFICATE, CertificateFacts
from kms.audit.naming import NAMES_MAX, shown
from kms.core.call import Call, Channel
from kms.core.clock import format_time
from kms.core.telemetry import json_writer

_LOGGER: Final = logging.getLogger("hallmark.audit")
_quoted = lru_cache(maxsize=4096)(json.dumps)
"""JSON of a text. The same methods come again and again."""
_FACTS: Final = (
    "caller",
    "tenant",
    "authentication",
    "peer",
    "tls_version",
    "tls_group",
    "certificate_key",
    "certificate_signature",
    "session",
)


_METHOD: Final = re.compile(r"/[A-Za-z0-9_.]{1,100}/[A-Za-z0-9_]{1,100}")
UNKNOWN_METHOD: Final = "/unknown/unknown"


def spelled(method: str) -> str:
    """A method that strangers made up, where it is spelled as methods are."""
    return method if _METHOD.fullmatch(method) else UNKNOWN_METHOD


@dataclass(slots=True)
class Entry:
    """What is known of a call while it runs. `started`: of time.perf_counter. `received`, `sent`: bytes of messages.

    `asked`: the names its request gives. `session` and what its `certificate` rests on: where sessions are
    recorded. `statements`: of the access policy that decided, by their ids, where one did.
    """

    id: str
    method: str
    channel: Channel
    now: datetime
    started: float
    call: Call | None = None
    items: int = 1
    received: int = 0
    sent: int = 0
    asked: tuple[str, ...] = ()
    session: str = ""
    certificate: CertificateFacts = NO_CERTIFICATE
    statements: tuple[str, ...] = ()
    request_id: str = ""
    """What the caller calls this call (kms.server.request_ids)."""
    traceparent: str = ""
    trace_id: str = ""


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
    names = " ".join(map(shown, entry.asked[:NAMES_MAX]))
    facts = {"method": entry.method, "caller": caller, "resources": names, "outcome": outcome, "reason": reason}
    _LOGGER.info("call", extra={"facts": {"call_id": entry.id, **facts, "ms": milliseconds}})


def _line(entry: Entry, outcome: str, reason: str, milliseconds: float) -> str:
    return (
        f'{{"time":"{format_time(entry.now)}","level":"info","logger":"hallmark.audit","message":"call"'
        f',"call_id":"{entry.id}","method":{_quoted(entry.method)},{_who(entry)}'
        f',"resources":{_names(entry.asked) if entry.asked else "[]"}'
        f',"statements":{_quoted_ids(entry.statements) if entry.statements else "[]"}'
        f',"items":{entry.items},"received":{entry.received},"sent":{entry.sent}'
        f"{_ids(entry) if entry.request_id or entry.trace_id else ''}"
        f',"outcome":"{outcome}","reason":"{reason}","milliseconds":{milliseconds}}}'
    )


def _ids(entry: Entry) -> str:
    """Both are of characters that need no escaping."""
    return f',"request_id":"{entry.request_id}","trace_id":"{entry.trace_id}"'


def _who(entry: Entry) -> str:
    """What all calls over a connection share."""
    channel, caller = entry.channel, entry.call.caller if entry.call is not None else None
    return _facts(
        caller.spiffe_id if caller else "",
        caller.tenant if caller else "",
        caller.authentication if caller else "",
        channel.peer,
        channel.tls_version,
        channel.group,
        *entry.certificate,
        entry.session,
    )


@lru_cache(maxsize=4096)
def _facts(*values: str) -> str:
    return ",".join(f'"{name}":{json.dumps(value)}' for name, value in zip(_FACTS, values, strict=True))


def _names(asked: tuple[str, ...]) -> str:
    """No text in here can end a string: names have letters, digits and a few signs, or stand as "?"."""
    if len(asked) == 1:
        return f'["{shown(asked[0])}"]'
    return "[" + ",".join(f'"{shown(name)}"' for name in asked[:NAMES_MAX]) + "]"


@lru_cache(maxsize=1024)
def _quoted_ids(ids: tuple[str, ...]) -> str:
    return json.dumps(ids[:NAMES_MAX], separators=(",", ":"))
