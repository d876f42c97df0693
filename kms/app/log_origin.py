"""Under which name the log stands: of the settings, else of this home, else of the log in its database."""

from kms.config import Config
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.log.service import stored_origin
from kms.server.home import Home


async def log_origin(config: Config, home: Home, database: Database, randomness: Randomness) -> str:
    if config.log.origin is not None:
        return config.log.origin
    return home.log_origin(await stored_origin(database), randomness)
