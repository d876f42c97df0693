"""At a replica with an HSM: signs the heartbeats of edges, and nothing that is not so.

An edge has no say in what is signed. Each position it claims is compared with the feed's end in the database, read
after the time that stands in the signature, and the leaf is made here. What an edge that was broken into can still do:
hold heartbeats back, which devices notice; and show a device whose own feed is empty the empty feed of another one,
until that device is sent something by another way.
"""

import hmac
import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.core.clock import Clock
from kms.core.database import Database, from_microseconds
from kms.core.errors import Reason, Unavailable
from kms.edge.wire import Lost
from kms.events.appending import MICROSECONDS_BYTES
from kms.events.heartbeats import Claim, Proof, Prover
from kms.events.listings import listings
from kms.events.model import ALL, GLOBAL, device_feed
from kms.events.ports import ReplaceHistory
from kms.events.reading import Head
from kms.events.tables import feed

READ_MAX: Final = 256
"""Claims whose feeds are read in one transaction."""
REPLACED_AFTER: Final = timedelta(minutes=1)
"""A history that young is not replaced at the word of an edge: each time, all devices of the tenant read everything."""
_Heads: TypeAlias = dict[tuple[str, str], tuple[bytes, Head]]
"""(tenant, feed) -> (epoch, end)."""
_logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Notary:
    """`prover` is the one with the HSM."""

    database: Database
    prover: Prover
    clock: Clock
    replace: ReplaceHistory

    async def sign(self, claims: Sequence[Claim]) -> tuple[list[Proof | None], datetime]:
        """In the order of the claims, None where a feed does not end as claimed; and the time that was signed.

        Raises Unavailable/HSM_UNAVAILABLE, and what the database raises.
        """
        now = self.clock.now()  # before the first look: the heartbeat vouches for what was committed until then
        true: list[bool] = []
        for begin in range(0, len(claims), READ_MAX):
            some = claims[begin : begin + READ_MAX]
            heads = await self.database.read(lambda tx, some=some: find_heads(tx, _feeds_of(some)))  # type: ignore[misc]
            true += [_is_so(claim, heads) for claim in some]
        answers = iter(
            await self.prover.prove([claim for claim, is_so in zip(claims, true, strict=True) if is_so], now)
        )
        proofs: list[Proof | None] = []
        for is_so in true:
            answer = next(answers) if is_so else None
            if not (answer is None or isinstance(answer, Proof)):
                raise Unavailable(
                    Reason.HSM_UNAVAILABLE, "heartbeats can not be signed now; retry", retry_after_seconds=1
                )
            proofs.append(answer)
        return proofs, now

    async def replace_lost(self, lost: Sequence[Lost]) -> None:
        """Begins new histories, of those that are still in force and not just begun."""
        now = self.clock.now()
        for each in lost:
            if each.epoch and now - began_at(each.epoch) < REPLACED_AFTER:
                _logger.warning("an edge calls a history of %s lost that has just begun: not replaced", each.tenant)
                continue
            await self.replace(each.tenant, each.epoch, now)


def began_at(epoch: bytes) -> datetime:
    """When a history began: its name begins with that (kms.events.model.Position). Far away for what is none."""
    try:
        return from_microseconds(int.from_bytes(epoch[:MICROSECONDS_BYTES], "big"))
    except OverflowError:
        return datetime.max.replace(tzinfo=from_microseconds(0).tzinfo)


def find_heads(tx: Connection, wanted: Mapping[str, Collection[str]]) -> _Heads:
    """Where feeds end, in one snapshot. `wanted`: tenant -> feeds. Nothing for tenants whose feeds have not begun."""
    found: _Heads = {}
    for tenant, names in wanted.items():
        query = sa.select(feed).where(feed.c.tenant == tenant, feed.c.name.in_({ALL, *names}))
        ends = {row.name: row for row in tx.execute(query)}
        if ALL not in ends:
            continue
        states = listings(tx, tenant, names)
        for name in names:
            sequence = ends[name].sequence if name in ends else 0
            found[tenant, name] = ends[ALL].epoch, Head(sequence, states[name].digest())
    return found


def _feeds_of(claims: Sequence[Claim]) -> dict[str, set[str]]:
    wanted: dict[str, set[str]] = {}
    for claim in claims:
        wanted.setdefault(claim.tenant, set()).update(_feed(claim, name) for name in claim.heads)
    return wanted


def _feed(claim: Claim, name: str) -> str:
    if name == GLOBAL:
        return GLOBAL
    assert claim.device is not None, "kms.edge.wire names the device of every such feed"
    return device_feed(claim.device)


def _is_so(claim: Claim, heads: _Heads) -> bool:
    for name, (epoch, head) in claim.heads.items():
        known = heads.get((claim.tenant, _feed(claim, name)))
        if known is None or known[0] != epoch or known[1].sequence != head.sequence:
            return False
        if not hmac.compare_digest(known[1].digest, head.digest):
            return False
    return True
