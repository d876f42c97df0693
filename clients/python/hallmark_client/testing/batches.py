"""BatchSign, BatchVerify and SignStream of the fake: the single calls, many times or in pieces."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import grpc
from google.protobuf.message import Message

from hallmark.v1 import keys_pb2
from hallmark_client.checksum import crc32c
from hallmark_client.errors import HallmarkError
from hallmark_client.rpc import SIGN, SIGN_STREAM, Rpc
from hallmark_client.testing.keys import FakeKeys
from hallmark_client.testing.refusals import invalid, refusal, refusal_to_status
from hallmark_client.testing.signing import FakeSigning
from hallmark_client.testing.state import State
from hallmark_composite import prehash

BATCH_MAX: Final = 512
BATCH_DATA_BYTES_MAX: Final = 1 << 20
CHUNK_BYTES_MAX: Final = 1 << 20
Once: TypeAlias = Callable[[Rpc[Any, Any], Any, str], Message]
"""One idempotent call: which, the request, by whom."""


class FakeBatches:
    """`caller` is set before each call: who makes it."""

    def __init__(self, state: State, keys: FakeKeys, signing: FakeSigning, once: Once) -> None:
        self._state = state
        self._keys = keys
        self._signing = signing
        self._once = once
        self.caller = ""

    def sign(self, request: keys_pb2.BatchSignRequest) -> keys_pb2.BatchSignResponse:
        self._check(request.parent, request.requests)
        response = keys_pb2.BatchSignResponse()
        for one in request.requests:
            alone = keys_pb2.SignRequest()
            alone.CopyFrom(one)
            alone.log_wait = request.log_wait
            result = response.results.add()
            try:
                answer = self._once(SIGN, alone, self.caller)
                assert isinstance(answer, keys_pb2.SignResponse)
                result.response.CopyFrom(answer)
            except HallmarkError as error:
                result.error.CopyFrom(refusal_to_status(error))
        return response

    def verify(self, request: keys_pb2.BatchVerifyRequest) -> keys_pb2.BatchVerifyResponse:
        self._check(request.parent, request.requests)
        response = keys_pb2.BatchVerifyResponse()
        for one in request.requests:
            result = response.results.add()
            try:
                result.response.CopyFrom(self._signing.verify(one))
            except HallmarkError as error:
                result.error.CopyFrom(refusal_to_status(error))
        return response

    def stream(self, parts: Sequence[keys_pb2.SignStreamRequest]) -> keys_pb2.SignResponse:
        if not parts or parts[0].WhichOneof("part") != "header":
            raise _stream_invalid("a stream begins with its header")
        if parts[0].header.WhichOneof("input") is not None:
            raise _stream_invalid("the header of a stream holds no input")
        chunks = [part.chunk for part in parts[1:]]
        if len(chunks) < 2 or any(not 1 <= len(chunk) <= CHUNK_BYTES_MAX for chunk in chunks[:-1]) or chunks[-1]:
            raise _stream_invalid(
                f"after the header come chunks of 1 to {CHUNK_BYTES_MAX} bytes, and an empty one last"
            )
        whole = keys_pb2.SignRequest()
        whole.CopyFrom(parts[0].header)
        name, number = self._keys.reference(whole.name)
        algorithm = self._keys.pair(self._keys.version(name, number).name).algorithm
        whole.digest = prehash(algorithm, b"".join(chunks))
        whole.input_crc32c = crc32c(whole.digest)
        answer = self._once(SIGN_STREAM, whole, self.caller)
        assert isinstance(answer, keys_pb2.SignResponse)
        answer.verified_input_crc32c = parts[0].header.HasField("input_crc32c")
        return answer

    def _check(self, parent: str, requests: Sequence[Any]) -> None:
        self._state.check_parent(parent)
        if not 1 <= len(requests) <= BATCH_MAX:
            raise invalid("requests", f"a batch has 1 to {BATCH_MAX} requests", "BATCH_TOO_LARGE")
        if sum(len(request.data) for request in requests) > BATCH_DATA_BYTES_MAX:
            raise invalid("requests", "the messages of a batch are too large together", "BATCH_TOO_LARGE")


def _stream_invalid(sentence: str) -> HallmarkError:
    return refusal(grpc.StatusCode.INVALID_ARGUMENT, "STREAM_INVALID", sentence)
