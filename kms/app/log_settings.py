"""How the log of a home behaves: the same while it serves and while a command works on it."""

from kms.app.log_origin import log_origin
from kms.config import Config, ConfigError
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.log.model import LogSettings
from kms.log.witnesses.settings import NO_WITNESSES, WitnessMode, WitnessSettings, read_witness_policy
from kms.server.home import Home


async def log_settings(config: Config, home: Home, database: Database, randomness: Randomness) -> LogSettings:
    """Raises ConfigError."""
    return LogSettings(
        origin=await log_origin(config, home, database, randomness),
        min_checkpoint_interval_seconds=config.log.checkpoint_interval_seconds,
        refresh_seconds=config.log.refresh_seconds,
        witnesses=witness_settings(config),
    )


def witness_settings(config: Config) -> WitnessSettings:
    """Raises ConfigError."""
    log = config.log
    try:
        return WitnessSettings(
            policy=NO_WITNESSES if log.witness_policy is None else read_witness_policy(config.path(log.witness_policy)),
            mode=WitnessMode(log.witness_mode),
            timeout_seconds=log.witness_timeout_seconds,
            interval_seconds=log.witness_interval_seconds,
        )
    except ValueError as error:
        raise ConfigError(f"log.witness_policy: {error}") from error
