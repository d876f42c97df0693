"""ListLogKeys and RotateLogKey. Part of LogServicer (rpc.py)."""

from datetime import timedelta

from hallmark.v1 import log_pb2
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.log.keys.key_life import LogKeyLife
from kms.log.keys.keys import KeyOfLog
from kms.log.wire import promise_to_wire

_OVERLAP_SECONDS_MAX = 2**33
"""More than a timedelta should be asked for; what is allowed is decided in key_life."""


class KeysRpc:
    def __init__(self, key_life: LogKeyLife) -> None:
        self._key_life = key_life

    async def ListLogKeys(self, _request: log_pb2.ListLogKeysRequest, _call: Call) -> log_pb2.ListLogKeysResponse:
        return log_pb2.ListLogKeysResponse(keys=map(_key_to_wire, await self._key_life.list()))

    async def RotateLogKey(self, request: log_pb2.RotateLogKeyRequest, call: Call) -> log_pb2.RotateLogKeyResponse:
        seconds = max(min(request.overlap_seconds, _OVERLAP_SECONDS_MAX), -1)
        key, promise = await self._key_life.rotate(
            request=RequestKey.of_message(call.caller, call.method, request),
            overlap=timedelta(seconds=seconds) if seconds else None,
            now=call.now,
        )
        return log_pb2.RotateLogKeyResponse(key=_key_to_wire(key), log=promise_to_wire(promise))


def _key_to_wire(key: KeyOfLog) -> log_pb2.LogKey:
    message = log_pb2.LogKey(vkey=str(key.verifier), origin=key.origin, number=key.number)
    message.create_time.FromDatetime(key.create_time)
    if key.retire_time is not None:
        message.retire_time.FromDatetime(key.retire_time)
    return message
