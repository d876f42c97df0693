"""RevocationService on the wire."""

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from hallmark.v1 import revocation_pb2, revocation_pb2_grpc
from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import TenantName
from kms.events.cursor import CursorCodec, TokenKind
from kms.events.model import REVOCATIONS, InitiatingEntity
from kms.keys.paging import page_size
from kms.log.wire import wants_published
from kms.revocation import wire
from kms.revocation.model import parse_subject
from kms.revocation.service import RevocationService
from kms.revocation.watch import WatchService


def _own_tenant(parent: str, call: Call) -> str:
    tenant = TenantName.parse(parent).tenant
    call.caller.may_see(tenant, parent)
    return tenant


@dataclass(frozen=True, slots=True)
class RevocationServicer(revocation_pb2_grpc.RevocationServiceServicer):
    revocations: RevocationService
    watching: WatchService
    codec: CursorCodec

    async def Revoke(self, request: revocation_pb2.RevokeRequest, call: Call) -> revocation_pb2.RevokeResponse:
        subject = parse_subject(request.subject)
        call.caller.may_see(subject.tenant, request.subject)
        event, replayed = await self.revocations.revoke(
            subject,
            reason=wire.reason_from_wire(request.reason),
            effective_time=wire.effective_time_from_wire(request),
            initiating_entity=InitiatingEntity.of(call.caller.role),
            request=RequestKey.of_message(call.caller, call.method, request),
            transaction_id=call.id,
            now=call.now,
            published=wants_published(request.log_wait),
        )
        return revocation_pb2.RevokeResponse(event=wire.event_to_wire(event), replayed=replayed)

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
        page = await self.revocations.list(
            tenant, start, limit=page_size(request.page_size), now=call.now, subject=subject
        )
        return revocation_pb2.ListRevocationsResponse(
            events=[wire.event_to_wire(event) for event in page.events],
            next_page_token=self.codec.encode(kind, page.end, subject) if page.more else "",
            cursor=self.codec.encode(TokenKind.CURSOR, page.end),
        )

    async def WatchRevocations(
        self, request: revocation_pb2.WatchRevocationsRequest, call: Call
    ) -> AsyncGenerator[revocation_pb2.WatchRevocationsResponse, None]:
        tenant = _own_tenant(request.parent, call)
        cursor = request.cursor
        start = self.codec.decode(TokenKind.CURSOR, cursor, tenant=tenant, feed=REVOCATIONS) if cursor else None
        frames = self.watching.watch(
            tenant,
            start,
            nonce=wire.nonce_from_wire(request.nonce),
            heartbeat_seconds=wire.heartbeat_seconds_from_wire(request),
        )
        async with contextlib.aclosing(frames):
            async for frame in frames:
                yield wire.frame_to_wire(frame, self.codec)
