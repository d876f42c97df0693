"""KeyService on the wire."""

from dataclasses import dataclass

from hallmark.v1 import keys_pb2, keys_pb2_grpc
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import AliasName, KeyName, KeyVersionName, TenantName, check_id, parse_key_or_version
from kms.keys import paging, settings_wire, update_wire, wire
from kms.keys.aliases import AliasService
from kms.keys.capabilities import CapabilityReader
from kms.keys.compromise_port import CompromiseReporter
from kms.keys.life import LifeService
from kms.keys.model import SYSTEM_TENANT, Key
from kms.keys.policies import check_lead
from kms.keys.purposes import check_algorithm
from kms.keys.readiness import Readiness, ReadinessReader
from kms.keys.resolve import KeyReference, parse_reference
from kms.keys.rotation import RotationService
from kms.keys.service import KeyService
from kms.keys.transfer_rpc import KeyTransferServicer
from kms.log.wire import promise_to_wire, wants_published

_Changes = (
    keys_pb2.CreateKeyRequest
    | keys_pb2.UpdateKeyRequest
    | keys_pb2.RotateKeyRequest
    | keys_pb2.ChangeKeyVersionStateRequest
    | keys_pb2.ReportKeyCompromiseRequest
    | keys_pb2.SetAliasRequest
    | keys_pb2.DeleteAliasRequest
)


def _readable(name: KeyReference, call: Call) -> None:
    """Public halves of the service's own keys may be read by every tenant."""
    if name.tenant != SYSTEM_TENANT:
        call.caller.may_see(name.tenant, str(name))


def _listable(tenant: str, text: str, call: Call) -> None:
    """Everybody may know which keys the service has."""
    if tenant != SYSTEM_TENANT:
        call.caller.may_see(tenant, text)


def _request_key(request: _Changes, call: Call) -> RequestKey:
    return RequestKey.of_message(call.caller, call.method, request)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyServicer(keys_pb2_grpc.KeyServiceServicer):
    keys: KeyService
    rotation: RotationService
    life: LifeService
    aliases: AliasService
    compromise: CompromiseReporter
    readiness: ReadinessReader
    capabilities: CapabilityReader
    transfer: KeyTransferServicer
    operator_tenant: str = ""
    """Whose admins may rotate and change the service's own keys; "": nobody's."""

    async def CreateKey(self, request: keys_pb2.CreateKeyRequest, call: Call) -> keys_pb2.CreateKeyResponse:
        tenant = TenantName.parse(request.parent)
        call.caller.may_see(tenant.tenant, request.parent)
        purpose, algorithm = wire.kind_from_wire(request.purpose, request.algorithm)
        check_algorithm(purpose, algorithm)
        key, promise, replayed = await self.keys.create(
            KeyName(tenant.tenant, check_id(request.key_id, "key_id")),
            algorithm=algorithm,
            purpose=purpose,
            labels=wire.labels_from_wire(request.labels),
            settings=settings_wire.settings_from_wire(request),
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
        _listable(tenant, request.parent, call)
        size = paging.page_size(request.page_size)
        after = paging.read_page_token(request.page_token)
        found = await self.keys.list(tenant, after=after, limit=size + 1)
        more = len(found) > size
        return keys_pb2.ListKeysResponse(
            keys=[wire.key_to_wire(key) for key in found[:size]],
            next_page_token=paging.page_token(found[size - 1].name.key) if more else "",
        )

    async def UpdateKey(self, request: keys_pb2.UpdateKeyRequest, call: Call) -> keys_pb2.UpdateKeyResponse:
        name = KeyName.parse(request.key.name, "key.name")
        self._check_owned(name.tenant, request.key.name, call)
        update = update_wire.update_from_wire(request)
        if request.validate_only:
            rehearsal = await self.keys.rehearse_update(name, update, etag=request.key.etag, now=call.now)
            return update_wire.rehearsal_to_wire(rehearsal)
        key, promise, replayed = await self.keys.update(
            name,
            update,
            etag=request.key.etag,
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.UpdateKeyResponse(key=wire.key_to_wire(key), log=promise_to_wire(promise), replayed=replayed)

    async def GetPublicKey(self, request: keys_pb2.GetPublicKeyRequest, call: Call) -> keys_pb2.PublicKey:
        name = parse_reference(request.name)
        _readable(name, call)
        return wire.public_key_to_wire(await self.keys.version(name))

    async def RotateKey(self, request: keys_pb2.RotateKeyRequest, call: Call) -> keys_pb2.RotateKeyResponse:
        name = KeyName.parse(request.name)
        self._check_owned(name.tenant, request.name, call)
        lead = None
        if request.HasField("publish_lead"):
            lead = check_lead(settings_wire.span_from_wire(request.publish_lead, "publish_lead"))
        if request.validate_only:
            key = await self.rotation.rehearse(name, etag=request.etag, lead=lead, now=call.now)
            readiness = wire.readiness_to_wire(await self._readiness(key, call))
            return keys_pb2.RotateKeyResponse(key=wire.key_to_wire(key), readiness=readiness)
        key, promise, replayed = await self.rotation.rotate(
            name,
            etag=request.etag,
            lead=lead,
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        response = keys_pb2.RotateKeyResponse(
            key=wire.key_to_wire(key), log=promise_to_wire(promise), replayed=replayed
        )
        if key.next_version is not None:
            response.readiness.CopyFrom(wire.readiness_to_wire(await self._readiness(key, call)))
        return response

    async def ChangeKeyVersionState(
        self, request: keys_pb2.ChangeKeyVersionStateRequest, call: Call
    ) -> keys_pb2.ChangeKeyVersionStateResponse:
        name = KeyVersionName.parse(request.name)
        self._check_owned(name.tenant, request.name, call)
        key, promise, replayed = await self.life.change(
            name,
            wire.action_from_wire(request.action),
            etag=request.etag,
            proposal=request.proposal,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.ChangeKeyVersionStateResponse(
            key=wire.key_to_wire(key), log=promise_to_wire(promise), replayed=replayed
        )

    async def ReportKeyCompromise(
        self, request: keys_pb2.ReportKeyCompromiseRequest, call: Call
    ) -> keys_pb2.ReportKeyCompromiseResponse:
        name = parse_key_or_version(request.name)
        call.caller.may_see(name.tenant, request.name)
        since = None
        if request.HasField("compromise_time"):
            since = settings_wire.moment_from_wire(request.compromise_time, "compromise_time")
        outcome = await self.compromise.report(
            name,
            compromise_time=since,
            request=_request_key(request, call),
            call=call,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.ReportKeyCompromiseResponse(
            key=wire.key_to_wire(outcome.key),
            revocations=outcome.revocations,
            log=promise_to_wire(outcome.promise),
            replayed=outcome.replayed,
        )

    async def SetAlias(self, request: keys_pb2.SetAliasRequest, call: Call) -> keys_pb2.SetAliasResponse:
        name = AliasName.parse(request.alias.name, "alias.name")
        key = KeyName.parse(request.alias.key, "alias.key")
        call.caller.may_see(name.tenant, request.alias.name)
        call.caller.may_see(key.tenant, request.alias.key)
        alias, promise, replayed = await self.aliases.set(
            name,
            key,
            etag=request.alias.etag,
            request=_request_key(request, call),
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return keys_pb2.SetAliasResponse(
            alias=wire.alias_to_wire(alias), log=promise_to_wire(promise), replayed=replayed
        )

    async def DeleteAlias(self, request: keys_pb2.DeleteAliasRequest, call: Call) -> keys_pb2.DeleteAliasResponse:
        name = AliasName.parse(request.name)
        call.caller.may_see(name.tenant, request.name)
        promise, replayed = await self.aliases.delete(
            name, etag=request.etag, request=_request_key(request, call), now=call.now
        )
        return keys_pb2.DeleteAliasResponse(log=promise_to_wire(promise), replayed=replayed)

    async def ListAliases(self, request: keys_pb2.ListAliasesRequest, call: Call) -> keys_pb2.ListAliasesResponse:
        tenant = TenantName.parse(request.parent).tenant
        call.caller.may_see(tenant, request.parent)
        size = paging.page_size(request.page_size)
        found = await self.aliases.list(tenant, after=paging.read_page_token(request.page_token), limit=size + 1)
        more = len(found) > size
        return keys_pb2.ListAliasesResponse(
            aliases=[wire.alias_to_wire(alias) for alias in found[:size]],
            next_page_token=paging.page_token(found[size - 1].name.alias) if more else "",
        )

    async def GetWrappingKey(self, request: keys_pb2.GetWrappingKeyRequest, call: Call) -> keys_pb2.WrappingKey:
        return await self.transfer.get_wrapping_key(request, call)

    async def ImportKey(self, request: keys_pb2.ImportKeyRequest, call: Call) -> keys_pb2.ImportKeyResponse:
        return await self.transfer.import_key(request, call)

    async def ExportKey(self, request: keys_pb2.ExportKeyRequest, call: Call) -> keys_pb2.ExportKeyResponse:
        return await self.transfer.export_key(request, call)

    async def GetCapabilities(self, request: keys_pb2.GetCapabilitiesRequest, call: Call) -> keys_pb2.Capabilities:  # noqa: ARG002
        return await self.capabilities.read(call)

    async def _readiness(self, key: Key, call: Call) -> Readiness:
        """Among the caller's own clients, also for the service's keys, which every tenant's bundle shows."""
        return await self.readiness.readiness(key, call.caller.tenant, call.now)

    def _check_owned(self, tenant: str, text: str, call: Call) -> None:
        """Of the caller's tenant, or of the service when its operators ask. Raises the uniform not-found."""
        if tenant != SYSTEM_TENANT or call.caller.tenant != self.operator_tenant:
            call.caller.may_see(tenant, text)
