"""KeyService and SigningService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from kms.core.call import Call
from kms.core.checksum import check_crc32c, crc32c
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName, TenantName, check_id, parse_key_or_version
from kms.keys import paging, wire
from kms.keys.capabilities import CapabilityReader
from kms.keys.model import SYSTEM_TENANT
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.log.wire import promise_to_wire, wants_published


def _readable(name: KeyName | KeyVersionName, call: Call) -> None:
    """Public halves of the service's own keys may be read by every tenant."""
    if name.tenant != SYSTEM_TENANT:
        call.caller.may_see(name.tenant, str(name))


def _request_key(
    request: keys_pb2.CreateKeyRequest | keys_pb2.RotateKeyRequest | keys_pb2.SignRequest, call: Call
) -> RequestKey:
    return RequestKey.of(call.caller, request.request_id, call.method, request.SerializeToString(deterministic=True))


@dataclass(frozen=True, slots=True)
class KeyServicer(keys_pb2_grpc.KeyServiceServicer):
    keys: KeyService
    capabilities: CapabilityReader

    async def CreateKey(self, request: keys_pb2.CreateKeyRequest, call: Call) -> keys_pb2.CreateKeyResponse:
        tenant = TenantName.parse(request.parent)
        call.caller.may_see(tenant.tenant, request.parent)
        key, promise, replayed = await self.keys.create(
            KeyName(tenant.tenant, check_id(request.key_id, "key_id")),
            algorithm=wire.algorithm_from_wire(request.algorithm),
            labels=wire.labels_from_wire(request.labels),
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.CreateKeyResponse(key=wire.key_to_wire(key), log=promise_to_wire(promise), replayed=replayed)

    async def GetKey(self, request: keys_pb2.GetKeyRequest, call: Call) -> keys_pb2.Key:
        name = KeyName.parse(request.name)
        _readable(name, call)
        return wire.key_to_wire(await self.keys.get(name))

    async def ListKeys(self, request: keys_pb2.ListKeysRequest, call: Call) -> keys_pb2.ListKeysResponse:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        size = paging.page_size(request.page_size)
        after = paging.read_page_token(request.page_token)
        found = await self.keys.list(tenant, after=after, limit=size + 1)
        more = len(found) > size
        return keys_pb2.ListKeysResponse(
            keys=[wire.key_to_wire(key) for key in found[:size]],
            next_page_token=paging.page_token(found[size - 1].name.key) if more else "",
        )

    async def GetPublicKey(self, request: keys_pb2.GetPublicKeyRequest, call: Call) -> keys_pb2.PublicKey:
        name = parse_key_or_version(request.name)
        _readable(name, call)
        return wire.public_key_to_wire(await self.keys.version(name))

    async def RotateKey(self, request: keys_pb2.RotateKeyRequest, call: Call) -> keys_pb2.RotateKeyResponse:
        name = KeyName.parse(request.name)
        call.caller.may_see(name.tenant, request.name)
        key, promise, replayed = await self.keys.rotate(
            name,
            etag=request.etag,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.RotateKeyResponse(key=wire.key_to_wire(key), log=promise_to_wire(promise), replayed=replayed)

    async def GetCapabilities(self, request: keys_pb2.GetCapabilitiesRequest, call: Call) -> keys_pb2.Capabilities:  # noqa: ARG002
        return await self.capabilities.read(call)


@dataclass(frozen=True, slots=True)
class SigningServicer(keys_pb2_grpc.SigningServiceServicer):
    signing: SigningService

    async def Sign(self, request: keys_pb2.SignRequest, call: Call) -> keys_pb2.SignResponse:
        name = parse_key_or_version(request.name)
        call.caller.may_see(name.tenant, request.name)
        answer, promise, replayed = await self.signing.sign(
            name,
            wire.input_from_wire(request),
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.SignResponse(
            key_version=answer.key_version,
            algorithm=wire.algorithm_to_wire(answer.algorithm),
            protection_level=wire.protection_to_wire(answer.protection),
            signature=answer.signature,
            signature_crc32c=crc32c(answer.signature),
            verified_input_crc32c=request.HasField("input_crc32c"),
            log=promise_to_wire(promise),
            replayed=replayed,
        )

    async def Verify(self, request: keys_pb2.VerifyRequest, call: Call) -> keys_pb2.VerifyResponse:
        name = parse_key_or_version(request.name)
        _readable(name, call)
        if request.HasField("signature_crc32c"):
            check_crc32c(request.signature, request.signature_crc32c, "signature_crc32c")
        version = await self.signing.verify(name, wire.input_from_wire(request), request.signature)
        return keys_pb2.VerifyResponse(
            key_version=str(version.name),
            state=wire.state_to_wire(version.state),
            verified_input_crc32c=request.HasField("input_crc32c"),
        )
