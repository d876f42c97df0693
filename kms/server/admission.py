"""What every call passes before its servicer sees it: identify > tenant > role > limit > decode > access > channel >
standing.
"""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import grpc
import grpc.aio
from google.protobuf.message import DecodeError

from kms.core.call import Call
from kms.core.errors import PermissionDenied, Reason
from kms.core.identity import Role
from kms.server.audit import Entry
from kms.server.batch_items import items_of, no_message
from kms.server.doors import Asked, Doors
from kms.server.identity import AuthContext
from kms.server.policy import POLICY, Row
from kms.tenants.model import Terms

BYTES_OF_A_TOKEN: Final = 16 * 1024
"""Decoding them takes half a millisecond at worst, as much as a token stands for."""
Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
Decode: TypeAlias = Callable[[bytes], Any]


@dataclass(frozen=True, slots=True)
class Known:
    """Who calls what, before the request was read."""

    call: Call
    row: Row
    terms: Terms


@dataclass(frozen=True, slots=True)
class Begun:
    """What a stream that was permitted is about, and the editions of the rules that came before that answer."""

    asked: Asked
    editions: tuple[object, object, object]


class Admission:
    """Asks the doors in their order. All its methods raise ServiceError."""

    def __init__(self, doors: Doors) -> None:
        self._doors = doors

    async def identify(self, entry: Entry, auth: AuthContext, context: Context) -> Known:
        """The caller, a tenant in good standing, and a role that the RPC is for."""
        call, terms = await self.introduce(entry, auth, context)
        caller, row = call.caller, POLICY.get(entry.method)
        if row is None:
            raise PermissionDenied(Reason.RPC_NOT_ALLOWED, f"{entry.method} is not open to anybody")
        if caller.role not in row.roles:
            raise PermissionDenied(
                Reason.ROLE_NOT_ALLOWED,
                f"role {caller.role} may not call {entry.method.rpartition('/')[2]}; "
                f"it is for {', '.join(sorted(row.roles))}",
            )
        return Known(call, row, terms)

    async def introduce(self, entry: Entry, auth: AuthContext, context: Context) -> tuple[Call, Terms]:
        """The caller, and a tenant in good standing."""
        doors = self._doors
        caller = await doors.identifier.identify(auth, context.invocation_metadata, entry.channel, entry.now)
        entry.call = call = Call(entry.id, entry.method, caller, entry.channel, entry.now)
        for observer in doors.observers:
            observer.admitted(entry, auth)
        return call, await doors.tenants.terms(caller.tenant)

    def cost(self, known: Known, entry: Entry, body: Any) -> float:
        """Tokens of a rate limit: of a batch, what its parts would cost; and one for each full 16 KiB. Told before
        anything is decoded: who is over the limit costs nothing more. Raises InvalidArgument for too large a batch.
        """
        if isinstance(body, bytes):
            entry.received = len(body)
            entry.items = items_of(body) if known.row.is_batch else 1
        return known.row.cost * max(entry.items, 1) + entry.received // BYTES_OF_A_TOKEN

    async def permit(self, known: Known, request: Any, entry: Entry) -> Asked:
        """Whether this call may have its way. What it was about is given back, for asking again."""
        asked = self._doors.asked(known.call.method, request)
        entry.asked = entry.asked or asked.resources
        entry.statements = await self._permit(known, asked)
        return asked

    async def permit_stream(self, known: Known, request: Any, entry: Entry) -> Begun:
        """As `permit`. What changes while the doors are asked is seen before the first answer."""
        editions = await self.editions(known.call.caller.tenant)
        return Begun(await self.permit(known, request, entry), editions)

    async def permit_again(self, known: Known, asked: Asked) -> None:
        """Of a stream that is open, when an edition has changed."""
        await self._permit(known, asked)

    async def editions(self, tenant: str) -> tuple[object, object, object]:
        """Others (by ==) when `permit_again` may find otherwise. Raises PermissionDenied for a suspended tenant."""
        doors = self._doors
        await doors.tenants.terms(tenant)  # what it remembers is a second old at most; its edition goes by that
        return doors.access.edition(tenant), doors.tenants.edition(tenant), doors.channels.edition(tenant)

    async def check_standing(self, known: Known) -> None:
        """Of devices, whose certificates outlive a revocation."""
        if known.call.caller.role is Role.DEVICE:
            await self._doors.standing.check(known.call.caller)

    async def _permit(self, known: Known, asked: Asked) -> tuple[str, ...]:
        """By the terms of now: what a client streams may go on for days."""
        doors, call, row = self._doors, known.call, known.row
        terms = await doors.tenants.terms(call.caller.tenant)
        statements = await doors.access.check(call, row, asked)
        await doors.channels.check(call, row, asked, terms)
        await self.check_standing(known)
        return statements


def decoded(body: Any, decode: Decode, entry: Entry) -> Any:
    """The message, or an iterator of them. Raises InvalidArgument, the iterator as well."""
    if not isinstance(body, bytes):
        return _decoded_each(body, decode, entry)
    try:
        return decode(body)
    except DecodeError:
        raise no_message() from None


async def _decoded_each(bodies: AsyncIterator[bytes], decode: Decode, entry: Entry) -> AsyncIterator[Any]:
    async for body in bodies:
        entry.received += len(body)
        yield decoded(body, decode, entry)
