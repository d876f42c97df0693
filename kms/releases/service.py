"""Looking at releases. Making them known is creating.py, giving their keys giving.py."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from kms.artifacts.model import ModelName
from kms.core.database import Database
from kms.core.errors import not_found
from kms.core.names import DigestName
from kms.releases import store
from kms.releases.model import Listed


@dataclass(frozen=True, slots=True)
class ReleaseReader:
    database: Database

    async def get(self, name: DigestName) -> Listed:
        """Raises the uniform not-found."""

        def find(tx: Connection) -> Listed:
            found = store.find(tx, name)
            if found is None:
                raise not_found(str(name))
            return Listed(found, store.state(tx, found))

        return await self.database.read(find)

    async def list(
        self, tenant: str, *, model: ModelName | None, after: store.After | None, limit: int
    ) -> Sequence[Listed]:
        """Greatest epoch first."""
        return await self.database.read(
            lambda tx: store.list_releases(tx, tenant, model=model, after=after, limit=limit)
        )
