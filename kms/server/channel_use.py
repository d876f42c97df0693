"""The byte budget of classical sessions: what each caller moved in the last 24 hours, at all replicas together.

Every replica counts its own calls and, every few seconds, adds its sums to a table and reads the totals back. In
between it knows what it counted itself: so long, and no longer, replicas can overdraw a budget between them.
"""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from kms.core.call import Call
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import Reason, ResourceExhausted, ServiceError, Unavailable
from kms.core.gathering import Gathering
from kms.server.audit import Entry
from kms.server.channel_account import Account, ByHour, hour_of
from kms.server.channel_use_store import add_use, prune_use, read_use

STALE_SECONDS: Final = 30.0
"""So long the last known totals hold while the database is away."""
_GATHERED_SECONDS: Final = 0.02
_AT_ONCE: Final = 500
_logger: Final = logging.getLogger(__name__)


@dataclass(slots=True)
class _Running:
    """A classical call in progress. `counted`: so many of its bytes are in the account."""

    call: Call
    entry: Entry
    counted: int = 0
    was_told: bool = False


class ClassicalUse:
    """A kms.server.doors.Observer, and what ChannelPolicy asks. Post-quantum sessions cost it one comparison."""

    def __init__(self, database: Database, clock: Clock, *, interval_seconds: float) -> None:
        self._database = database
        self._clock = clock
        self._interval = interval_seconds
        self._accounts: dict[str, Account] = {}
        self._running: dict[str, _Running] = {}
        self._editions: dict[str, int] = {}
        self._pruned_hour = -1
        self._reads: Gathering[str, ByHour] = Gathering(
            database, self._read_all, at_most=_AT_ONCE, interval_seconds=_GATHERED_SECONDS
        )

    def admitted(self, entry: Entry, auth: object) -> None:  # noqa: ARG002
        if not entry.channel.is_post_quantum and entry.call is not None:
            self._running[entry.id] = _Running(entry.call, entry)

    def finished(self, entry: Entry, outcome: str, reason: str) -> None:  # noqa: ARG002
        if (running := self._running.pop(entry.id, None)) is not None:
            self._count(running)

    def edition(self, tenant: str) -> int:
        """Another one whenever a stream of this tenant may have to end because the budget of its caller is spent."""
        return self._editions.get(tenant, 0)

    async def check(self, call: Call, budget: int) -> None:
        """What the call has sent counts from now on, also for others that are in progress with it.

        Raises ResourceExhausted/CLASSICAL_BUDGET_SPENT, and Unavailable when the database was not there for
        STALE_SECONDS.
        """
        account = self._account(call)
        account.budget = budget
        await self._refresh(call.caller.spiffe_id, account)
        wait = account.seconds_until_below(budget, self._clock.now())
        if wait > 0:
            raise ResourceExhausted(
                Reason.CLASSICAL_BUDGET_SPENT,
                f"this caller has moved the {budget} bytes that sessions without post-quantum TLS may move in 24 hours;"
                " connect again with a client that offers X25519MLKEM768: such sessions have no budget",
                retry_after_seconds=wait,
                metadata={"budget_bytes": str(budget), "groups": "X25519MLKEM768"},
            )
        if (running := self._running.get(call.id)) is not None:
            self._count(running)

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            await self.flush()

    async def flush(self) -> None:
        """Tells the others and hears of theirs. What could not be stored is kept for the next time."""
        for running in self._running.values():
            self._count(running)
        uses = {caller: account.counted for caller, account in self._accounts.items() if account.counted}
        if uses or self._pruned_hour != hour_of(self._clock.now()):
            await self._store(uses)
        self._announce_spent()
        self._forget_quiet()

    async def _store(self, uses: Mapping[str, ByHour]) -> None:
        asked, hour = self._clock.monotonic(), hour_of(self._clock.now())
        accounts, stored = [self._accounts[caller] for caller in uses], False
        for account in accounts:
            account.begin_storing()
        try:
            totals = await self._database.write(
                partial(_add_and_read, uses=uses, hour=hour, prune=self._pruned_hour != hour)
            )
            stored, self._pruned_hour = True, hour
            for account, total in zip(accounts, totals, strict=True):
                account.learn(total, asked=asked, hour=hour)
        except ServiceError as error:
            _logger.warning("use of classical sessions could not be stored, later again: %s", error)
        finally:
            for account in accounts:
                account.end_storing(stored=stored)

    async def _refresh(self, caller: str, account: Account) -> None:
        asked = self._clock.monotonic()
        if asked - account.tried < 2 * self._interval:
            return
        try:
            stored = await self._reads.ask(caller)
        except Unavailable:
            if asked - account.read >= STALE_SECONDS:
                raise
            account.tried = asked
        else:
            account.learn(stored, asked=asked, hour=hour_of(self._clock.now()))

    def _read_all(self, tx: Connection, callers: Sequence[str]) -> Sequence[ByHour]:
        return read_use(tx, callers, hour_of(self._clock.now()))

    def _account(self, call: Call) -> Account:
        caller = call.caller.spiffe_id
        if (account := self._accounts.get(caller)) is None:
            account = self._accounts[caller] = Account(call.caller.tenant)
        return account

    def _count(self, running: _Running) -> None:
        """What it moved since it was last counted."""
        moved = running.entry.received + running.entry.sent
        if moved > running.counted:
            self._account(running.call).count({hour_of(self._clock.now()): moved - running.counted})
            running.counted = moved

    def _announce_spent(self) -> None:
        """Streams ask again when the edition of their tenant changes; each is announced once."""
        now = self._clock.now()
        for running in self._running.values():
            account = self._account(running.call)
            if running.was_told or account.budget is None or not account.seconds_until_below(account.budget, now):
                continue
            running.was_told = True
            self._editions[account.tenant] = self.edition(account.tenant) + 1

    def _forget_quiet(self) -> None:
        """Accounts of nobody who is here, with nothing to store: they are read again when their caller comes back."""
        here = {running.call.caller.spiffe_id for running in self._running.values()}
        quiet_since = self._clock.monotonic() - STALE_SECONDS
        self._accounts = {
            caller: account
            for caller, account in self._accounts.items()
            if caller in here or account.counted or account.tried > quiet_since
        }


def _add_and_read(tx: Connection, *, uses: Mapping[str, ByHour], hour: int, prune: bool) -> list[ByHour]:
    add_use(tx, uses)
    if prune:
        prune_use(tx, hour)
    return read_use(tx, list(uses), hour)
