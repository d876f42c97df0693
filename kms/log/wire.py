"""Log promises on the wire, for every feature that answers with one."""

from hallmark.v1 import common_pb2
from kms.core.errors import InvalidArgument, Reason
from kms.log.model import LogPromise


def promise_to_wire(promise: LogPromise) -> common_pb2.LogPromise:
    return common_pb2.LogPromise(
        leaf_hash=promise.leaf_hash,
        event_key=promise.event_key,
        leaf_index=promise.leaf_index,
        tlog_proof=promise.tlog_proof or b"",
        entry=promise.entry,
    )


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
