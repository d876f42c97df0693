"""Log promises on the wire, for every feature that answers with one."""

from hallmark.v1 import common_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.log.model import LogPromise


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
