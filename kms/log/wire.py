"""Log promises on the wire, for every feature that answers with one, and what the calls of LogService share."""

from typing import Final

from hallmark.v1 import common_pb2, log_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.log.model import LogPromise, PublishedCheckpoint

_EVENT_KEY_CHARACTERS_MAX: Final = 64


def promise_to_wire(promise: LogPromise) -> common_pb2.LogPromise:
    message = common_pb2.LogPromise()
    write_promise(message, promise)
    return message


def write_promise(message: common_pb2.LogPromise, promise: LogPromise) -> None:
    """Into a message that is part of another."""
    message.leaf_hash = promise.leaf_hash
    message.event_key = promise.event_key
    message.entry = promise.entry
    if promise.leaf_index is not None:
        message.leaf_index = promise.leaf_index
    if promise.tlog_proof is not None:
        message.tlog_proof = promise.tlog_proof


def wants_published(log_wait: common_pb2.LogWait) -> bool:
    """Raises InvalidArgument for a value this version does not know."""
    match log_wait:
        case common_pb2.LOG_WAIT_UNSPECIFIED | common_pb2.LOG_WAIT_COMMITTED:
            return False
        case common_pb2.LOG_WAIT_PUBLISHED:
            return True
        case _:
            raise InvalidArgument(
                Reason.FIELD_INVALID, "log_wait must be COMMITTED or PUBLISHED, or be left out", field="log_wait"
            )


def checkpoint_to_wire(published: PublishedCheckpoint, origin: str) -> log_pb2.Checkpoint:
    return log_pb2.Checkpoint(
        note=published.note, origin=origin, size=published.head.size, root_hash=published.head.root
    )


def entry_named(
    request: log_pb2.GetInclusionProofRequest | log_pb2.GetEntryRequest | log_pb2.GetCoseReceiptRequest,
) -> int | str:
    """The index or event key of the entry that is asked about. Raises InvalidArgument."""
    match request.WhichOneof("entry"):
        case "leaf_index":
            return request.leaf_index
        case "event_key" if 0 < len(request.event_key) <= _EVENT_KEY_CHARACTERS_MAX:
            return request.event_key
        case _:
            raise InvalidArgument(
                Reason.FIELD_INVALID, "entry must be a leaf_index, or the event_key of a log promise", field="entry"
            )


def event_key_of(text: str) -> str:
    """Of a request that names no entry otherwise. Raises InvalidArgument."""
    if not 0 < len(text) <= _EVENT_KEY_CHARACTERS_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, "event_key must be that of a log promise", field="event_key")
    return text
