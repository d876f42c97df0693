"""Answering once: the same request_id gets the same answer, with another body it is refused."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf.message import Message

from hallmark_client.rpc import Rpc
from hallmark_client.testing.copies import copy_of
from hallmark_client.testing.handlers import LEAVES, REMEMBERED_BY_THE_LOG, Handlers
from hallmark_client.testing.log import FakeLog
from hallmark_client.testing.refusals import invalid, refusal

_UUID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class Replays:
    """Asserts that every act is logged as often as it should be. `handlers`: complete before the first call."""

    log: FakeLog
    handlers: Handlers = field(default_factory=dict)
    _answers: dict[tuple[str, str], tuple[bytes, Message]] = field(default_factory=dict)

    def once(self, rpc: Rpc[Any, Any], request: Any, caller: str) -> Message:
        """Answer, or answer again. Raises HallmarkError."""
        handler = self.handlers[rpc.name]
        if "request_id" not in request.DESCRIPTOR.fields_by_name or rpc.name in REMEMBERED_BY_THE_LOG:
            return copy_of(handler(request))
        if not _UUID.fullmatch(request.request_id):
            raise invalid("request_id", "must be a UUID, made once for each call", "REQUEST_ID_INVALID")
        body = rpc.path.encode() + b"\0" + request.SerializeToString(deterministic=True)
        fingerprint = hashlib.sha256(body).digest()
        known = self._answers.get((caller, request.request_id))
        if known is None:
            size = self.log.size
            answer = copy_of(handler(request))
            recorded = self.log.size - size
            expected: Mapping[str, set[int]] = LEAVES
            assert recorded in expected.get(rpc.name, {1}), f"{rpc.name} was logged {recorded} times"
            self._answers[caller, request.request_id] = fingerprint, copy_of(answer)
            return answer
        if known[0] != fingerprint:
            sentence = "this request_id was used for a different call; make a new UUID for each call"
            raise refusal(grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED", sentence)
        answer = copy_of(known[1])
        if "replayed" in answer.DESCRIPTOR.fields_by_name:
            setattr(answer, "replayed", True)  # noqa: B010 - not every answer has it
        if "token" in answer.DESCRIPTOR.fields_by_name:
            answer.ClearField("token")  # told once
        return answer
