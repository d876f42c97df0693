"""The fake's ListLogKeys and RotateLogKey."""

from datetime import timedelta
from typing import Final

import grpc

from hallmark.v1 import common_pb2, log_pb2
from hallmark_client.model.result import rfc3339
from hallmark_client.testing.log_signers import FakeLogKey
from hallmark_client.testing.refusals import invalid, refusal
from hallmark_client.testing.state import State

_OVERLAP_SECONDS: Final = 30 * 86_400
_HOUR_SECONDS: Final = 3600


class FakeLogKeys:
    def __init__(self, state: State) -> None:
        self._state = state

    def list(self, _request: log_pb2.ListLogKeysRequest) -> log_pb2.ListLogKeysResponse:
        return log_pb2.ListLogKeysResponse(keys=map(_on_the_wire, self._state.log.signers.keys))

    def rotate(self, request: log_pb2.RotateLogKeyRequest) -> log_pb2.RotateLogKeyResponse:
        if request.overlap_seconds and request.overlap_seconds < _HOUR_SECONDS:
            raise invalid("overlap_seconds", "is 3600 (an hour) or more; leave it out for 30 days")
        log, now = self._state.log, self._state.now()
        if len(log.signers.current(now)) > 2:
            sentence = "the key before has not retired yet: rotate again after that"
            raise refusal(grpc.StatusCode.FAILED_PRECONDITION, "STATE_TRANSITION_INVALID", sentence)
        retire_time = now + timedelta(seconds=request.overlap_seconds or _OVERLAP_SECONDS)
        before, key = log.signers.rotate(now, retire_time)
        details = {
            "algorithm": "ml-dsa-44",
            "number": key.number,
            "origin": log.origin,
            "replaced_until": rfc3339(retire_time),
            "replaces": str(before.verifier),
            "vkey": str(key.verifier),
        }
        promise = self._state.record("log.key_added", "log", details, wait=common_pb2.LOG_WAIT_COMMITTED)
        return log_pb2.RotateLogKeyResponse(key=_on_the_wire(key), log=promise)


def _on_the_wire(key: FakeLogKey) -> log_pb2.LogKey:
    wire = log_pb2.LogKey(vkey=str(key.verifier), origin=key.verifier.name, number=key.number)
    if key.create_time is not None:
        wire.create_time.FromDatetime(key.create_time)
    if key.retire_time is not None:
        wire.retire_time.FromDatetime(key.retire_time)
    return wire
