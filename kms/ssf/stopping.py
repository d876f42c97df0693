"""The transmitter itself stops a stream: it holds what comes, and the receiver is told why (SSF 1.0, section 8.1.5)."""

from datetime import datetime

from sqlalchemy.engine import Connection

from kms.ssf import queue_store, receiver_store, stream_store
from kms.ssf.model import REASON_CHARACTERS_MAX, Kind, Stream, StreamStatus
from kms.ssf.sets import SetMaker


def pause(tx: Connection, stream: Stream, reason: str, maker: SetMaker, now: datetime) -> None:
    """The caller has locked the stream."""
    reason = reason[:REASON_CHARACTERS_MAX]
    values = {"status": StreamStatus.PAUSED.value, "reason": reason, "failures": 0}
    stream_store.update_stream(tx, stream.id, **values)
    tell(tx, stream, StreamStatus.PAUSED, reason, maker, now)


def tell(tx: Connection, stream: Stream, status: StreamStatus, reason: str, maker: SetMaker, now: datetime) -> None:
    """A stream-updated event; what an earlier one said does not count any more."""
    receiver = receiver_store.find_receiver(tx, stream.receiver)
    assert receiver is not None, "a stream goes with its receiver"
    queue_store.clear(tx, stream.id, Kind.STREAM_UPDATED)
    word = maker.of_update(stream.id, status, reason, receiver.audience, now)
    queue_store.enqueue(tx, stream.id, Kind.STREAM_UPDATED, [word])
