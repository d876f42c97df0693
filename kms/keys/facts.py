"""What rules about access and channels may ask of a key: a kms.core.resources.FactsReader, from memory."""

import re
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, TypeAlias

from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import Unavailable
from kms.core.gathering import Gathering
from kms.core.names import ID_PATTERN, AliasName, KeyName
from kms.core.resources import ResourceFacts
from kms.keys.facts_store import Name, find_facts

REMEMBERED_SECONDS: Final = 1.0
STALE_SECONDS: Final = 30.0
"""So long the last known facts hold while the database is away."""
LOOKED_UP_AT_ONCE: Final = 200
_GATHERED_SECONDS: Final = 0.02
_KEPT_MAX: Final = 20_000
_NAME_CHARACTERS_MAX: Final = 512
_NAME: Final = re.compile(rf"tenants/(?P<tenant>{ID_PATTERN})(?:/(?P<kind>[A-Za-z]{{1,63}})(?:/.*)?)?")
_ID: Final = re.compile(ID_PATTERN)

_Read: TypeAlias = Gathering[Name, ResourceFacts | None]


def facts_of_name(name: str) -> ResourceFacts:
    """What a name tells by itself: no tenant and no kind where it is not well formed; its servicer refuses it."""
    found = _NAME.fullmatch(name) if len(name) <= _NAME_CHARACTERS_MAX else None
    if found is None:
        return ResourceFacts(name, tenant="", kind="")
    return ResourceFacts(name, tenant=found["tenant"], kind=found["kind"] or "tenants")


@dataclass(slots=True)
class _Seen:
    """`at`: when it was asked for. `tried`: when it was last asked for, also in vain."""

    facts: ResourceFacts | None
    at: float
    tried: float


class KeyFacts:
    """By the name of a key, of a version or of an alias: the facts of the key, with the key's own name. At most
    a second old; what a call of this replica changed is seen at once (`forget`).

    It looks at names of every tenant. Who must not learn of other tenants asks for the caller's own names only.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._read: _Read = Gathering(
            database, find_facts, at_most=LOOKED_UP_AT_ONCE, interval_seconds=_GATHERED_SECONDS
        )
        self._clock = clock
        self._seen: OrderedDict[Name, _Seen] = OrderedDict()
        self._changes = 0

    async def facts(self, name: str) -> ResourceFacts:
        """Raises Unavailable when the database is away and was not asked about this name for STALE_SECONDS."""
        named = facts_of_name(name)
        key = _key_or_alias(named)
        if key is None:
            return named
        return await self._look_up(key) or named

    def forget(self) -> None:
        """Some key or alias changed here: all are read again, also by who waits for an answer."""
        self._changes += 1
        self._seen.clear()

    async def _look_up(self, name: Name) -> ResourceFacts | None:
        while True:
            seen, now = self._seen.get(name), self._clock.monotonic()
            if seen is not None and now - seen.tried < REMEMBERED_SECONDS:
                return seen.facts
            changes = self._changes
            try:
                facts = await self._read.ask(name)
            except Unavailable:
                if seen is None or now - seen.at >= STALE_SECONDS:
                    raise
                seen.tried = now
                return seen.facts
            if changes == self._changes:
                self._remember(name, _Seen(facts, at=now, tried=now))
                return facts

    def _remember(self, name: Name, seen: _Seen) -> None:
        self._seen.pop(name, None)
        self._seen[name] = seen
        while len(self._seen) > _KEPT_MAX:
            self._seen.popitem(last=False)


def _key_or_alias(named: ResourceFacts) -> Name | None:
    if named.kind not in {"keys", "aliases"}:
        return None
    _, _, _, identifier, *_ = (*named.name.split("/", 4), "")
    if not _ID.fullmatch(identifier):
        return None
    return KeyName(named.tenant, identifier) if named.kind == "keys" else AliasName(named.tenant, identifier)
