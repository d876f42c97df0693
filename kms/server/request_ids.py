"""Ids that a caller may send with a call: x-request-id, which is put into the audit line, and W3C traceparent.

The id of the call itself is ours, and goes back as x-request-id. A caller's id is a note of the caller's: nothing is
decided by it.
"""

import re
from collections.abc import Iterable
from typing import Final, Protocol

REQUEST_ID: Final = "x-request-id"
TRACEPARENT: Final = "traceparent"
_IDS: Final = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")
"""One accepted spelling: nothing that could end a line or begin another field. What does not fit is left out."""
_TRACEPARENT_SIZE: Final = 55


class Noted(Protocol):
    """Of kms.server.audit.Entry."""

    request_id: str
    traceparent: str


def note_ids(entry: Noted, metadata: Iterable[tuple[str, str | bytes]] | None) -> None:
    """Never raises. Of several of one name the first counts."""
    for name, value in metadata or ():
        if name == REQUEST_ID and not entry.request_id and isinstance(value, str) and _IDS.fullmatch(value):
            entry.request_id = value
        elif name == TRACEPARENT and not entry.traceparent and isinstance(value, str):
            entry.traceparent = value[:_TRACEPARENT_SIZE]
