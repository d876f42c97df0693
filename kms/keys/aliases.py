"""Use cases of aliases: set, delete, list."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.engine import Connection
from sqlalchemy.exc import IntegrityError

from kms.core.errors import not_found
from kms.core.idempotency import RequestKey
from kms.core.names import AliasName, KeyName
from kms.keys import alias_store, store
from kms.keys.journal import changed_meanwhile, check_etag
from kms.keys.model import Alias, KeyAnswer, KeyPurpose
from kms.keys.resolve import alias_not_found
from kms.keys.service import KeyService
from kms.log.model import LogPromise


@dataclass(frozen=True, slots=True)
class AliasService:
    keys: KeyService

    async def set(
        self, name: AliasName, key: KeyName, *, etag: str, request: RequestKey, now: datetime, published: bool
    ) -> tuple[Alias, LogPromise, bool]:
        """Creates it, or points it elsewhere. A replay answers with the alias as it is now.

        Raises Aborted/ETAG_MISMATCH, and not-found for the key.
        """

        def work(tx: Connection) -> KeyAnswer:
            target = store.find_key(tx, key)
            if target is None or target.purpose is KeyPurpose.SERVICE:
                raise not_found(str(key))
            current = alias_store.find_alias(tx, name)
            check_etag(name, etag, "none" if current is None else current.etag)
            _point(tx, name, current, key, now)
            promise = self.keys.journal.record(tx, "alias.set", name, now, {"key": str(key)})
            return KeyAnswer(key=str(name), promise=promise)

        answer, replayed = await self.keys.journal.act(request, now, work)
        promise = await self.keys.journal.confirm(answer, published=published)
        alias = await self.keys.database.read(lambda tx: alias_store.find_alias(tx, name))
        if alias is None:  # deleted since the first call
            raise alias_not_found(name)
        return alias, promise, replayed

    async def delete(
        self, name: AliasName, *, etag: str, request: RequestKey, now: datetime
    ) -> tuple[LogPromise, bool]:
        """The key stays. Raises NotFound/ALIAS_NOT_FOUND, Aborted/ETAG_MISMATCH."""

        def work(tx: Connection) -> KeyAnswer:
            current = alias_store.find_alias(tx, name)
            if current is None:
                raise alias_not_found(name)
            check_etag(name, etag, current.etag)
            if not alias_store.delete_alias(tx, current):
                raise changed_meanwhile(name)
            promise = self.keys.journal.record(tx, "alias.deleted", name, now, {"key": str(current.key)})
            return KeyAnswer(key=str(name), promise=promise)

        answer, replayed = await self.keys.journal.act(request, now, work)
        return await self.keys.journal.confirm(answer, published=False), replayed

    async def list(self, tenant: str, *, after: str, limit: int) -> Sequence[Alias]:
        return await self.keys.database.read(lambda tx: alias_store.list_aliases(tx, tenant, after=after, limit=limit))


def _point(tx: Connection, name: AliasName, current: Alias | None, key: KeyName, now: datetime) -> None:
    if current is not None:
        if not alias_store.point_alias(tx, current, key, now):
            raise changed_meanwhile(name)
        return
    try:
        alias_store.insert_alias(tx, name, key, now)
    except IntegrityError:
        raise changed_meanwhile(name) from None
