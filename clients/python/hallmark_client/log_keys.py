"""client.log.keys: the keys that sign the log's checkpoints."""

from datetime import timedelta

from hallmark.v1 import log_pb2
from hallmark_client import rpc
from hallmark_client.calls import Calls
from hallmark_client.model.log_keys import LogKey, RotatedLogKey
from hallmark_client.wire.log_keys import log_keys_of, rotated_of


class LogKeys:
    """Reached as `client.log.keys`. What the server says of keys is a claim: the log itself announces them."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def list(self) -> tuple[LogKey, ...]:
        """Past and present, also those of logs that this one followed."""
        return self._calls(rpc.LIST_LOG_KEYS, log_pb2.ListLogKeysRequest(), log_keys_of)

    def rotate(self, *, overlap: timedelta | None = None, request_id: str | None = None) -> RotatedLogKey:
        """A new ML-DSA-44 key, which signs beside the old one until that retires. For admins.

        overlap: 1 hour to 10 years, whole seconds; default 30 days. Raises FailedPrecondition
        (STATE_TRANSITION_INVALID) while an earlier rotation is not over.
        """
        seconds = 0 if overlap is None else max(int(overlap.total_seconds()), 1)
        request = log_pb2.RotateLogKeyRequest(request_id=self._calls.request_id(request_id), overlap_seconds=seconds)
        return self._calls(rpc.ROTATE_LOG_KEY, request, rotated_of)
