"""`hallmark log succeed`: a home whose servers are stopped is opened, and its log followed by another."""

import functools

import sqlalchemy as sa
from sqlalchemy.engine import Connection

from kms.app.log_places import log_places
from kms.app.offline import OfflineHome, open_offline
from kms.config import Config
from kms.core.database import Database
from kms.core.errors import FailedPrecondition, Reason
from kms.log.errors import LogForked, LogFrozen, LogRolledBack
from kms.log.keys.succession import Rollback, Succeeded, Succession, find_succession, publish_chain
from kms.log.memory import guard
from kms.log.model import LogSettings

_SESSIONS = sa.text(
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
    "AND application_name = 'hallmark'"
)


async def succeed_log(config: Config, new_origin: str, *, after_rollback: bool) -> Succeeded:
    """Raises FailedPrecondition, HomeInUse, LogFrozen, HsmError, ValueError for a name that no log can have."""
    LogSettings(origin=new_origin)
    await _refuse_while_others_run(config)
    async with open_offline(config, prepared=False) as home:
        done = await home.database.read(lambda tx: find_succession(tx, new_origin))
        if done is None:
            rollback = await _prepare(home, after_rollback=after_rollback)
            succession = Succession(home.database, home.provider, home.log, home.clock)
            done = await succession.run(new_origin, rollback=rollback)
        await publish_chain(home.database, (await log_places(config, home.database)).root)
        return done


async def _prepare(home: OfflineHome, *, after_rollback: bool) -> Rollback | None:
    """What was seen and is not in the database, if that is to be left behind."""
    try:
        await home.log.prepare()
    except (LogRolledBack, LogForked) as error:
        if not after_rollback:
            raise
        return await _rollback(home, error)
    if after_rollback:
        raise FailedPrecondition(
            Reason.STATE_TRANSITION_INVALID,
            "the database holds every checkpoint that is remembered: leave --after-rollback out, so that the log is "
            "closed by an entry of its own",
        )
    return None


async def _rollback(home: OfflineHome, error: LogFrozen) -> Rollback:
    """The largest checkpoint of this log that contradicts the database. Raises `error` when there is none."""
    for seen in await home.log.seen():
        if seen.origin != home.log.origin:
            raise error
        try:
            await home.database.read(
                functools.partial(guard.check_seen, origin=seen.origin, head=seen.head, where=seen.where)
            )
        except (LogRolledBack, LogForked):
            return Rollback(seen.head, seen.note)
    raise error


async def _refuse_while_others_run(config: Config) -> None:
    """SQLite: the home's lock tells. PostgreSQL: other sessions of this program, before there are any of our own."""
    database = Database(config.database_url, readers=1)
    try:
        others = await database.read(_other_sessions)
    finally:
        database.close()
    if others:
        raise FailedPrecondition(
            Reason.STATE_TRANSITION_INVALID,
            f"{others} sessions of other servers or commands are open on this database: stop every replica first",
        )


def _other_sessions(tx: Connection) -> int:
    return 0 if tx.dialect.name == "sqlite" else int(tx.execute(_SESSIONS).scalar_one())
