"""Under which name the log stands: of the settings, else of this home, else of the log in its database."""

from kms.config import Config
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.log import store
from kms.log.keys.archive import closed_logs
from kms.server.home import Home


async def log_origin(config: Config, home: Home, database: Database, randomness: Randomness) -> str:
    """A home that still has the name of a log that was closed takes that of the log which followed it."""
    if config.log.origin is not None:
        return config.log.origin
    stored = await database.read(store.find_origin)
    kept = home.log_origin(stored, randomness)
    if stored is None or kept == stored:
        return kept
    if kept in {log.origin for log in await database.read(closed_logs)}:
        home.replace_log_origin(stored)
        return stored
    return kept
