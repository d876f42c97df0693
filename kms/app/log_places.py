"""Where the log's public files lie, and what remembers its checkpoints outside the database."""

from dataclasses import dataclass

from hsm.provider import KeyProvider
from kms.config import Config
from kms.core.clock import Clock
from kms.core.database import Database
from kms.log.keys.succession_store import stored_prefix
from kms.log.memory.guard_file import GuardFile
from kms.log.memory.guard_token import GuardToken
from kms.log.memory.remembered import Memory
from kms.public.below import below
from kms.public.files import FolderPublicFiles, PublicFiles


@dataclass(frozen=True, slots=True)
class LogPlaces:
    """`files` are those of the live log, below `prefix` of the public folder (`root`)."""

    root: PublicFiles
    prefix: str

    @property
    def files(self) -> PublicFiles:
        return below(self.root, self.prefix)


async def log_places(config: Config, database: Database) -> LogPlaces:
    root = FolderPublicFiles(config.path(config.log.public_folder))
    return LogPlaces(root, await database.read(stored_prefix))


def log_memories(config: Config, provider: KeyProvider, clock: Clock) -> list[Memory]:
    """The guard file and, unless it is switched off, the token."""
    memories: list[Memory] = [GuardFile(config.path(config.log.guard_file))]
    if config.log.guard_token_interval_seconds > 0:
        memories.append(GuardToken(provider, clock, interval_seconds=config.log.guard_token_interval_seconds))
    return memories
