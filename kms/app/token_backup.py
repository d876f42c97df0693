"""The keys that a backup of the token, and its restoration, are proved with: all that the database knows."""

from pathlib import Path

from sqlalchemy.engine import Connection, make_url

from hsm.backup import KeyToCheck
from hsm.material import material_from_bytes
from kms.config import Config
from kms.core.database import Database
from kms.core.names import KeyVersionName
from kms.keys.materials import materials_after
from kms.keys.model import key_binding
from kms.log.keys.keys import kept_keys

_PAGE = 1000


async def keys_to_check(config: Config) -> list[KeyToCheck]:
    """Empty when the home has no database. A server may run meanwhile."""
    if not _is_there(config.database_url):
        return []
    database = Database(config.database_url)
    try:
        return await database.read(_all)
    finally:
        database.close()


def _is_there(url: str) -> bool:
    """Opening an SQLite file that is missing would make an empty one."""
    return not url.startswith("sqlite") or Path(make_url(url).database or "").is_file()


def _all(tx: Connection) -> list[KeyToCheck]:
    found: list[KeyToCheck] = []
    after: KeyVersionName | None = None
    while rows := materials_after(tx, after, _PAGE):
        found += [
            KeyToCheck(material_from_bytes(encoded), key_binding(name, purpose)) for name, purpose, encoded in rows
        ]
        after = rows[-1][0]
    return [*found, *(KeyToCheck(material, binding) for material, binding in kept_keys(tx))]
