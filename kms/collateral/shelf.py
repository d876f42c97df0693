"""What verdicts rest on, at hand in memory: parsed collateral and anchors of every tenant.

`current` and `archived` are the port that devices ask (kms.devices.verification.CollateralSource). Nothing here waits
for the network. Replicas learn of each other's changes by a counter in the database.
"""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sqlalchemy.engine import Connection

from attestation.errors import CollateralError
from attestation.model import Anchors, Collateral, Evidence
from kms.collateral import store
from kms.collateral.anchors import OwnAnchor, anchor_name
from kms.collateral.model import SYSTEM_TENANT, CollateralItem, CollateralKind
from kms.collateral.readers import VALUE_KINDS, restore
from kms.collateral.selection import Held, select
from kms.core.database import Database

_logger = logging.getLogger(__name__)
_NOTHING: Mapping[str, Held] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class _Contents:
    """One consistent look at the database."""

    held: Mapping[tuple[str, CollateralKind], Mapping[str, Held]] = field(default_factory=dict)
    own_anchors: Mapping[str, tuple[OwnAnchor, ...]] = field(default_factory=dict)
    revoked: Mapping[str, frozenset[str]] = field(default_factory=dict)
    state: object = None


class CollateralShelf:
    """`common_anchors` count for every tenant: the built-in table and what the settings name."""

    def __init__(self, database: Database, common_anchors: Anchors) -> None:
        self._database = database
        self._common = common_anchors
        self._contents = _Contents()
        self._loading = asyncio.Lock()

    async def current(self, tenant: str, evidence: Evidence) -> tuple[Anchors, Collateral]:
        """Anchors of the tenant, and what the judge of this evidence reads."""
        return self.anchors(tenant), select(evidence, lambda kind: self.pieces(tenant, kind))

    async def archived(self, kind: str, sha256: str) -> bytes:
        """Raises KeyError."""
        data = await self._database.read(lambda tx: store.find_archived(tx, kind, sha256))
        if data is None:
            raise KeyError(f"{kind} {sha256}")
        return data

    def anchors(self, tenant: str) -> Anchors:
        own, revoked = self._contents.own_anchors.get(tenant, ()), self._contents.revoked.get(tenant)
        if not own and not revoked:
            return self._common
        every = (*self._common.items, *(found.anchor for found in own))
        return Anchors(tuple(each for each in every if not revoked or each.spki_sha256 not in revoked))

    def list_anchors(self, tenant: str) -> Iterator[OwnAnchor]:
        """The common ones that the tenant did not revoke, then its own."""
        revoked = self._contents.revoked.get(tenant, frozenset())
        for anchor in self._common.items:
            if anchor.spki_sha256 not in revoked:
                yield OwnAnchor(name=anchor_name(tenant, anchor), anchor=anchor)
        yield from self._contents.own_anchors.get(tenant, ())

    def pieces(self, tenant: str, kind: CollateralKind) -> Mapping[str, Held]:
        """By key. A tenant's own piece stands before what the operator provides for all."""
        everybody = self._contents.held.get((SYSTEM_TENANT, kind), _NOTHING)
        own = self._contents.held.get((tenant, kind), _NOTHING)
        return {**everybody, **own} if own else everybody

    def items(self, tenant: str) -> Iterator[tuple[CollateralItem, bool]]:
        """All that concerns the tenant, and whether its own piece overrides one for all."""
        for (owner, kind), found in sorted(self._contents.held.items()):
            for key, held in found.items():
                if owner in {tenant, SYSTEM_TENANT}:
                    own = self._contents.held.get((tenant, kind), _NOTHING)
                    yield held.item, owner == SYSTEM_TENANT and tenant != SYSTEM_TENANT and key in own

    async def load(self) -> None:
        """Takes up what the database says is in force."""
        async with self._loading:
            before = self._contents
            state, items, anchors, revoked, data = await self._database.read(lambda tx: _read(tx, before))
            held = await asyncio.to_thread(_parse, items, data, before)
            own: dict[str, tuple[OwnAnchor, ...]] = {}
            for found in anchors:
                own[found.name.tenant] = (*own.get(found.name.tenant, ()), found)
            self._contents = _Contents(held, own, revoked, state)

    async def load_if_changed(self) -> bool:
        """What another replica did. Gives whether something changed."""
        state = await self._database.read(store.state)
        if state == self._contents.state:
            return False
        await self.load()
        return True


_Known = Mapping[tuple[str, CollateralKind], Mapping[str, Held]]
_Read = tuple[object, list[CollateralItem], list[OwnAnchor], dict[str, frozenset[str]], dict[tuple[str, str], bytes]]


def _read(tx: Connection, before: _Contents) -> _Read:
    """With the bytes of what is not parsed yet."""
    items = list(store.all_items(tx))
    data: dict[tuple[str, str], bytes] = {}
    for item in items:
        known = _known(before.held, item)
        address = (VALUE_KINDS[item.kind], item.sha256)
        if known is None and (found := store.find_archived(tx, *address)) is not None:
            data[address] = found
    return store.state(tx), items, list(store.all_anchors(tx)), store.all_revoked(tx), data


def _known(held: _Known, item: CollateralItem) -> object | None:
    """The value of the same bytes, parsed before. Of a status list the time of fetching is part of its value."""
    found = held.get((item.owner, item.kind), _NOTHING).get(item.key)
    if found is None or found.item.sha256 != item.sha256:
        return None
    is_same = item.kind is not CollateralKind.ANDROID_STATUS or found.item.fetch_time == item.fetch_time
    return found.value if is_same else None


def _parse(items: list[CollateralItem], data: Mapping[tuple[str, str], bytes], before: _Contents) -> _Known:
    held: dict[tuple[str, CollateralKind], dict[str, Held]] = {}
    for item in items:
        value = _known(before.held, item)
        if value is None:
            try:
                value = restore(item.kind, data[VALUE_KINDS[item.kind], item.sha256], fetched_at=item.fetch_time)
            except (CollateralError, KeyError) as error:  # a release that reads less than the one that stored it
                _logger.warning("collateral %s (%s) cannot be used: %s", item.name, item.kind, error)
                continue
        held.setdefault((item.owner, item.kind), {})[item.key] = Held(item, value)
    return held
