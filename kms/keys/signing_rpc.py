"""SigningService on the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Final, TypeVar

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from kms.core.call import Call
from kms.core.checksum import check_crc32c
from kms.core.errors import InvalidArgument, Reason, ServiceError
from kms.core.idempotency import RequestKey
from kms.core.names import TenantName
from kms.core.turns import ends_turn
from kms.keys import signing_wire as wire
from kms.keys.model import SYSTEM_TENANT, KeyVersion
from kms.keys.resolve import KeyReference, parse_reference
from kms.keys.sign_item import SignItem, item_of
from kms.keys.signing import SigningService, SignOutcome
from kms.keys.stream import MessageStream, stream_invalid
from kms.keys.verdict_gate import claimant
from kms.keys.verification import VerificationService, VerifyItem
from kms.log.wire import wants_published

BATCH_MAX: Final = 512
BATCH_DATA_BYTES_MAX: Final = 1 << 20
"""Of all messages of a batch together: the answer may hold them again (JWS), and must fit into a message."""
_SIGN_METHOD: Final = "/hallmark.v1.SigningService/Sign"

_parse = lru_cache(maxsize=4096)(parse_reference)
"""The same few names come again and again."""

ToStatus = Callable[[ServiceError, str], Any]
"""google.rpc.Status of an error; the second argument is the id of the call."""
Request = TypeVar("Request", keys_pb2.SignRequest, keys_pb2.VerifyRequest)


@dataclass(frozen=True, slots=True)
class SigningServicer(keys_pb2_grpc.SigningServiceServicer):
    """`to_status` is the server's own translation of errors, for items of a batch."""

    signing: SigningService
    verification: VerificationService
    to_status: ToStatus

    async def Sign(self, request: keys_pb2.SignRequest, call: Call) -> keys_pb2.SignResponse:  # noqa: N802
        published = wants_published(request.log_wait)
        item = self._sign_item(request, call, None)
        outcome = await self.signing.sign_item(item, now=call.now, published=published)
        return wire.signature_to_wire(outcome, verified_input=request.HasField("input_crc32c"))

    async def BatchSign(self, request: keys_pb2.BatchSignRequest, call: Call) -> keys_pb2.BatchSignResponse:  # noqa: N802
        tenant = _batch_tenant(request.parent, request.requests, call)
        items: list[SignItem | ServiceError] = []
        for number, one in enumerate(request.requests):
            items.append(_or_error(partial(self._sign_item, one, call, tenant)))
            if ends_turn(number):
                await asyncio.sleep(0)
        good = [item for item in items if isinstance(item, SignItem)]
        published = wants_published(request.log_wait)
        outcomes = iter(await self.signing.sign_many(good, now=call.now, published=published) if good else [])
        response = keys_pb2.BatchSignResponse()
        for number, (one, item) in enumerate(zip(request.requests, items, strict=True)):
            outcome = item if isinstance(item, ServiceError) else next(outcomes)
            self._add_signature(response, outcome, call, verified_input=one.HasField("input_crc32c"))
            if ends_turn(number):
                await asyncio.sleep(0)
        return response

    async def SignStream(  # noqa: N802
        self, requests: AsyncIterator[keys_pb2.SignStreamRequest], call: Call
    ) -> keys_pb2.SignResponse:
        header = await _read_header(requests)
        reference = _reference(header.name, call, None)
        who = claimant(self.signing.verdicts, header.device, call.caller)
        key = await self.signing.find_stream_key(
            reference, call.now, caller=call.caller, request_id=header.request_id, claimant=who
        )
        stream = MessageStream(key, wire.context_from_wire(header.context))
        async for part in requests:
            if part.WhichOneof("part") != "chunk":
                raise stream_invalid("after the header come chunks only")
            await stream.add(part.chunk)
        stream.finish()
        if header.HasField("input_crc32c") and header.input_crc32c != stream.crc32c:
            raise _checksum_mismatch()
        published = wants_published(header.log_wait)
        header.ClearField("log_wait")
        body = header.SerializeToString(deterministic=True) + stream.identity
        request_key = RequestKey.of(call.caller, header.request_id, call.method, body)
        item = SignItem(reference=reference, request=request_key, prepare=stream.prepare, claimant=who)
        outcome = await self.signing.sign_item(item, now=call.now, published=published)
        return wire.signature_to_wire(outcome, verified_input=header.HasField("input_crc32c"))

    async def Verify(self, request: keys_pb2.VerifyRequest, call: Call) -> keys_pb2.VerifyResponse:  # noqa: N802
        version = await self.verification.verify(_verify_item(request, call, None))
        return wire.verified_to_wire(version, verified_input=request.HasField("input_crc32c"))

    async def BatchVerify(self, request: keys_pb2.BatchVerifyRequest, call: Call) -> keys_pb2.BatchVerifyResponse:  # noqa: N802
        tenant = _batch_tenant(request.parent, request.requests, call)
        items = [_or_error(partial(_verify_item, one, call, tenant)) for one in request.requests]
        good = [item for item in items if isinstance(item, VerifyItem)]
        outcomes = iter(await self.verification.verify_many(good) if good else [])
        response = keys_pb2.BatchVerifyResponse()
        for one, item in zip(request.requests, items, strict=True):
            outcome = item if isinstance(item, ServiceError) else next(outcomes)
            result = response.results.add()
            if isinstance(outcome, KeyVersion):
                verified = wire.verified_to_wire(outcome, verified_input=one.HasField("input_crc32c"))
                result.response.CopyFrom(verified)
            else:
                result.error.CopyFrom(self.to_status(outcome, call.id))
        return response

    def _sign_item(self, request: keys_pb2.SignRequest, call: Call, parent: str | None) -> SignItem:
        """`parent`: tenant of the batch it stands in.

        A retry may come alone or in a batch, and wait longer: it is the same call. So log_wait is taken out.
        """
        request.ClearField("log_wait")
        reference = _reference(request.name, call, parent)
        form, given = wire.format_from_wire(request.format), wire.input_from_wire(request)
        who = claimant(self.signing.verdicts, request.device, call.caller)
        body = request.SerializeToString(deterministic=True)
        request_key = RequestKey.of(call.caller, request.request_id, _SIGN_METHOD, body)
        return item_of(reference, given, form, request_key, who)

    def _add_signature(
        self,
        response: keys_pb2.BatchSignResponse,
        outcome: SignOutcome | Exception,
        call: Call,
        *,
        verified_input: bool,
    ) -> None:
        result = response.results.add()
        match outcome:
            case ServiceError():
                result.error.CopyFrom(self.to_status(outcome, call.id))
            case Exception():
                raise outcome
            case _:
                wire.write_signature(result.response, outcome, verified_input=verified_input)


def _verify_item(request: keys_pb2.VerifyRequest, call: Call, parent: str | None) -> VerifyItem:
    reference = _parse(request.name)
    if reference.tenant != SYSTEM_TENANT:  # public halves of the service's own keys may be used by every tenant
        call.caller.may_see(reference.tenant, request.name)
    if parent is not None and reference.tenant not in {parent, SYSTEM_TENANT}:
        raise _other_tenant()
    if request.HasField("signature_crc32c"):
        check_crc32c(request.signature, request.signature_crc32c, "signature_crc32c")
    return VerifyItem(reference=reference, given=wire.input_from_wire(request), signature=request.signature)


def _reference(name: str, call: Call, parent: str | None) -> KeyReference:
    reference = _parse(name)
    call.caller.may_see(reference.tenant, name)
    if parent is not None and reference.tenant != parent:
        raise _other_tenant()
    return reference


def _batch_tenant(parent: str, requests: Sequence[Request], call: Call) -> str:
    """Raises InvalidArgument/BATCH_TOO_LARGE."""
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    if not 1 <= len(requests) <= BATCH_MAX:
        raise InvalidArgument(
            Reason.BATCH_TOO_LARGE, f"a batch has 1 to {BATCH_MAX} requests, not {len(requests)}", field="requests"
        )
    if sum(len(request.data) for request in requests) > BATCH_DATA_BYTES_MAX:
        raise InvalidArgument(
            Reason.BATCH_TOO_LARGE,
            f"the messages of a batch may have {BATCH_DATA_BYTES_MAX} bytes together; send digests of large ones",
            field="requests",
        )
    return tenant


Item = TypeVar("Item")


def _or_error(read: Callable[[], Item]) -> Item | ServiceError:
    try:
        return read()
    except ServiceError as error:
        return error


async def _read_header(requests: AsyncIterator[keys_pb2.SignStreamRequest]) -> keys_pb2.SignRequest:
    first = await anext(aiter(requests), None)
    if first is None or first.WhichOneof("part") != "header":
        raise stream_invalid("a stream begins with its header")
    if first.header.WhichOneof("input") is not None:
        raise stream_invalid("the header of a stream holds no input; the message comes in chunks")
    if first.header.format not in {keys_pb2.SIGNATURE_FORMAT_UNSPECIFIED, keys_pb2.SIGNATURE_FORMAT_RAW}:
        raise InvalidArgument(
            Reason.FORMAT_UNSUPPORTED,
            "a streamed message gets a raw signature; the others hold the message",
            field="format",
        )
    return first.header


def _checksum_mismatch() -> InvalidArgument:
    return InvalidArgument(
        Reason.CHECKSUM_MISMATCH,
        "input_crc32c does not match the bytes that arrived; send them again",
        field="input_crc32c",
    )


def _other_tenant() -> InvalidArgument:
    return InvalidArgument(Reason.NAME_INVALID, "every name in a batch is of the tenant of its parent", field="name")
