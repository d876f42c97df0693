"""Events to the wire; promises, their proofs whole, from it."""

from typing import Final

from hallmark.v1 import log_pb2
from hallmark_client.errors import HallmarkError, Internal, InvalidArgument
from hallmark_client.model.appending import Appended, ToAppend
from hallmark_client.status import error_of_status
from hallmark_client.wire.log import promise_of

_WAITS: Final = {
    "committed": log_pb2.APPEND_WAIT_COMMITTED,
    "sequenced": log_pb2.APPEND_WAIT_SEQUENCED,
    "published": log_pb2.APPEND_WAIT_PUBLISHED,
}
_HEAD_END: Final = b"\n\n"


def wait_argument(wait: str) -> log_pb2.AppendWait:
    """Raises InvalidArgument."""
    if wait not in _WAITS:
        raise InvalidArgument("FIELD_INVALID", f"wait is one of {', '.join(_WAITS)}, not {wait!r}")
    return _WAITS[wait]


def append_request(item: ToAppend, *, parent: str, request_id: str, wait: str) -> log_pb2.AppendEntryRequest:
    """Raises InvalidArgument."""
    return log_pb2.AppendEntryRequest(
        parent=parent,
        request_id=request_id,
        event_type=item.event_type,
        subject=item.subject,
        details=dict(item.details),
        personal=dict(item.personal),
        person=item.person,
        wait=wait_argument(wait),
    )


def appended_of(wire: log_pb2.AppendEntryResponse) -> Appended:
    return Appended(log=promise_of(wire.log), salts=dict(wire.salts), replayed=wire.replayed)


def batch_of(wire: log_pb2.BatchAppendEntriesResponse, count: int) -> list[Appended | HallmarkError]:
    """In the order of the requests. Raises Internal when the server answered another number of them."""
    if len(wire.results) != count:
        raise Internal("ANSWER_INVALID", f"the server answered {len(wire.results)} of {count} events")
    return [outcome_of(result, wire.checkpoint) for result in wire.results]


def outcome_of(
    result: log_pb2.BatchAppendEntriesResponse.Result | log_pb2.AppendStreamResponse, checkpoint: bytes = b""
) -> Appended | HallmarkError:
    """One event's. A proof that ends in an empty line is a proof's head: the checkpoint that all share belongs behind
    it (C2SP tlog-proof).
    """
    match result.WhichOneof("result"):
        case "response":
            if result.response.log.tlog_proof.endswith(_HEAD_END):
                result.response.log.tlog_proof += checkpoint
            return appended_of(result.response)
        case "error":
            return error_of_status(result.error)
        case _:
            return Internal("ANSWER_INVALID", "the server answered nothing for this event")
