"""The event that a set tells of, as the service signed it: what a receiver verifies who trusts no classical signature.

{"set": base64 of the bytes, "signature": {"key_version", "context", "sign_time", "signature": base64} | null,
 "entry": base64 of the log entry, "tlog_proof": base64 | null}, as in the files of the read plane.
"""

import base64
import re
from typing import Final

from kms.core.canonical import Json
from kms.core.clock import format_time
from kms.core.database import Database
from kms.core.names import UUID_PATTERN
from kms.events import history
from kms.events.model import Event
from kms.ssf.errors import StreamNotFound
from kms.ssf.model import EVENTS_SUPPORTED, ReceiverName

_ID: Final = re.compile(UUID_PATTERN, re.ASCII)


async def original(database: Database, receiver: ReceiverName, jti: str) -> dict[str, Json]:
    """Of the receiver's own tenant, and of a type that streams deliver. Raises StreamNotFound."""
    if _ID.fullmatch(jti) is None:
        raise StreamNotFound
    found = (await database.read(lambda tx: history.find_events(tx, [jti]))).get(jti)
    if found is None or found.tenant != receiver.tenant or found.uri not in EVENTS_SUPPORTED:
        raise StreamNotFound
    return _shown(found)


def _shown(event: Event) -> dict[str, Json]:
    signature: Json = None
    if event.signature is not None:
        signature = {
            "key_version": event.signature.key_version,
            "context": event.signature.context,
            "sign_time": format_time(event.signature.sign_time),
            "signature": _base64(event.signature.signature),
        }
    promise = event.proved
    return {
        "set": _base64(event.payload),
        "signature": signature,
        "entry": _base64(promise.entry),
        "tlog_proof": None if promise.tlog_proof is None else _base64(promise.tlog_proof),
    }


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()
