"""Calls over connections of one's choice, for tests of the channel rules."""

import itertools
from datetime import datetime
from typing import Any

from kms.core.call import Call, Channel
from kms.core.identity import Caller, Role
from kms.server.audit import Entry
from support.clock import START

POST_QUANTUM, CLASSICAL = "X25519MLKEM768", "x25519"
SIGN = "/hallmark.v1.SigningService/Sign"
_numbers = itertools.count()


def make_call(
    *,
    group: str = CLASSICAL,
    peer: str = "ipv4:192.0.2.1:40000",
    name: str = "b",
    tenant: str = "default",
    method: str = SIGN,
) -> Call:
    caller = Caller(f"spiffe://hallmark.test/tenants/{tenant}/backend/{name}", tenant, Role.BACKEND, name)
    return Call(f"call-{next(_numbers)}", method, caller, Channel(peer, "TLSv1.3", group), START)


def entry_of(call: Call, *, received: int = 0, sent: int = 0, now: datetime = START) -> Entry:
    return Entry(call.id, call.method, call.channel, now, 0.0, call=call, received=received, sent=sent)


class AwayDatabase:
    """Of a database: whose reads and writes fail from `is_away` on."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.error: Exception | None = None
        self.reads = 0

    async def read(self, work: Any) -> Any:
        self.reads += 1
        if self.error is not None:
            raise self.error
        return await self.inner.read(work)

    async def write(self, work: Any) -> Any:
        if self.error is not None:
            raise self.error
        return await self.inner.write(work)
