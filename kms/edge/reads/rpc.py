"""What an edge reads for callers: each servicer has the RPCs of its service that need no HSM (kms.edge.served)."""

from dataclasses import dataclass

from hallmark.v1 import devices_pb2, devices_pb2_grpc, keys_pb2, keys_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from kms.core.call import Call
from kms.core.database import Database
from kms.core.errors import Reason, Unavailable, not_found
from kms.core.names import ChildName, TenantName
from kms.devices import store as device_store
from kms.devices import wire as device_wire
from kms.events import history
from kms.events.cursor import CursorCodec, TokenKind
from kms.events.model import REVOCATIONS, Position
from kms.keys.model import SYSTEM_TENANT
from kms.keys.paging import page_size, page_token, read_page_token
from kms.keys.resolve import find_referenced, parse_reference
from kms.keys.wire import public_key_to_wire, service_signature_to_wire
from kms.log.wire import promise_to_wire
from kms.revocation import store as revocation_store
from kms.revocation import wire as revocation_wire
from kms.revocation.model import after, parse_subject
from kms.revocation.service import PAGE_EVENTS_MAX, check_epoch
from kms.trust import store as trust_store


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


@dataclass(frozen=True, slots=True)
class KeyReads(keys_pb2_grpc.KeyServiceServicer):
    database: Database

    async def GetPublicKey(self, request: keys_pb2.GetPublicKeyRequest, call: Call) -> keys_pb2.PublicKey:
        """Keys whose versions were made by the first release, which kept no public half apart, are not found here."""
        name = parse_reference(request.name)
        if name.tenant != SYSTEM_TENANT:
            call.caller.may_see(name.tenant, request.name)

        key, number = await self.database.read(lambda tx: find_referenced(tx, name))
        wanted = key.primary if number is None else number
        version = (None if wanted is None else key.version(wanted)) or key.versions[0]
        if not version.public_bytes:
            raise not_found(request.name)
        return public_key_to_wire(version)


@dataclass(frozen=True, slots=True)
class TrustReads(keys_pb2_grpc.TrustServiceServicer):
    database: Database

    async def GetTrustBundle(self, request: keys_pb2.GetTrustBundleRequest, call: Call) -> keys_pb2.TrustBundle:
        """The newest that was signed: a change of keys shows when an API replica has made the next one. Raises
        Unavailable before the first.
        """
        tenant = _own_tenant(request.parent, call)
        found = await self.database.read(lambda tx: trust_store.find_latest(tx, tenant))
        if found is None:
            raise Unavailable(
                Reason.RESOURCE_NOT_FOUND, "no trust bundle of this tenant is signed yet; retry", retry_after_seconds=5
            )
        bundle, _ = found
        return keys_pb2.TrustBundle(
            payload=bundle.payload,
            signature=service_signature_to_wire(bundle.signature),
            sequence=bundle.sequence,
            log=promise_to_wire(bundle.promise),
            public_path=bundle.public_path,
        )


@dataclass(frozen=True, slots=True)
class DeviceReads(devices_pb2_grpc.DeviceServiceServicer):
    database: Database

    async def GetDevice(self, request: devices_pb2.GetDeviceRequest, call: Call) -> devices_pb2.Device:
        name = ChildName.parse(request.name, "devices")
        call.caller.may_see(name.tenant, request.name)
        device = await self.database.read(lambda tx: device_store.find_device(tx, name))
        if device is None:
            raise not_found(request.name)
        return device_wire.device_to_wire(device)

    async def ListDevices(self, request: devices_pb2.ListDevicesRequest, call: Call) -> devices_pb2.ListDevicesResponse:
        tenant, limit = _own_tenant(request.parent, call), page_size(request.page_size)
        start = read_page_token(request.page_token)
        state = device_wire.state_from_wire(request.state)
        kind = device_wire.class_from_wire(request.device_class)
        found = await self.database.read(
            lambda tx: device_store.list_devices(
                tx, tenant, after=start, limit=limit + 1, state=state, device_class=kind
            )
        )
        return devices_pb2.ListDevicesResponse(
            devices=map(device_wire.device_to_wire, found[:limit]),
            next_page_token=page_token(found[limit - 1].name.id) if len(found) > limit else "",
        )


@dataclass(frozen=True, slots=True)
class RevocationReads(revocation_pb2_grpc.RevocationServiceServicer):
    database: Database
    codec: CursorCodec

    async def ListRevocations(
        self, request: revocation_pb2.ListRevocationsRequest, call: Call
    ) -> revocation_pb2.ListRevocationsResponse:
        tenant = _own_tenant(request.parent, call)
        subject = ""
        if request.subject:
            subject = str(parsed := parse_subject(request.subject))
            call.caller.may_see(parsed.tenant, subject)
        kind, token = TokenKind.PAGE, request.page_token
        start = self.codec.decode(kind, token, tenant=tenant, feed=REVOCATIONS, subject=subject) if token else None
        newest = await self.database.read(lambda tx: history.find_newest(tx, tenant, REVOCATIONS))
        if newest is None:
            return revocation_pb2.ListRevocationsResponse()
        begin = newest.beginning() if start is None else check_epoch(start, newest)
        limit = min(page_size(request.page_size), PAGE_EVENTS_MAX)
        found = await self.database.read(
            lambda tx: revocation_store.events_after(tx, tenant, begin.sequence, limit=limit + 1, subject=subject)
        )
        events = found[:limit]
        end: Position = after(begin, events[-1]) if events else begin
        return revocation_pb2.ListRevocationsResponse(
            events=[revocation_wire.event_to_wire(event) for event in events],
            next_page_token=self.codec.encode(kind, end, subject) if len(found) > limit else "",
            cursor=self.codec.encode(TokenKind.CURSOR, end),
        )
