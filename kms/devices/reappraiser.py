"""Judges stored evidence again in the background, when something that verdicts rest on has changed.

What is to be done stands in the database (kms.collateral.store: changes and how far they were followed), so a restart
goes on where it was: a pass is done when every device concerned was judged. Devices are taken one by one, so fresh
evidence never waits behind more than one of them. Every change of outcome leaves its note in the transaction that
stores it, and is told to the watchers of the revocation feed at once.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.engine import Connection

from attestation.model import Format
from hsm.errors import HsmError
from kms.collateral import store as change_store
from kms.collateral.model import READ_BY, SYSTEM_TENANT, CollateralKind
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.errors import ResourceExhausted, ServiceError
from kms.core.ids import new_id
from kms.core.randomness import Randomness
from kms.devices import store
from kms.devices.model import Device
from kms.devices.reappraisal import Reappraisal, Reappraised
from kms.events.model import Status
from kms.revocation import assurance_store
from kms.revocation.assurance import AssuranceService
from kms.revocation.model import AssuranceChange, AssuranceLevel
from kms.status import lists

LOOK_SECONDS = 5.0
"""How often what other replicas left is looked for; this process wakes itself."""
PAGE_DEVICES = 100
POLICY = "policy"
"""Topic of a change of a tenant's policy."""
Refresh = Callable[[str], Awaitable[None]]
"""Takes up, from the database, anchors, collateral and policy of an owner: what is judged by must not be older than the
change that is followed, which another replica may have made.
"""
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Pass:
    """Devices of `owner` ("system": of every tenant) to judge again because of the change `number` of `topic`."""

    owner: str
    topic: str
    number: int

    def concerns(self, device: Device) -> bool:
        """Anchors and policies concern every format."""
        if self.topic not in set(CollateralKind):
            return True
        return Format(device.latest_verdict.format) in READ_BY[CollateralKind(self.topic)]


@dataclass(slots=True, kw_only=True)
class AssuranceNotes:
    """What `Reappraisal.in_transaction` does: a device that lost its appraisal, or has it again, is told of."""

    randomness: Randomness

    def __call__(self, tx: Connection, change: Reappraised) -> None:
        before, after = _level(appraised=change.before.appraised), _level(appraised=change.after.appraised)
        if before is after:
            return
        now = change.after.verify_time
        status = Status.VALID if after is AssuranceLevel.APPRAISED else Status.SUSPENDED
        lists.set_value(tx, change.device.tenant, str(change.device), status)
        assurance_store.insert_note(
            tx,
            AssuranceChange(
                id=new_id(now, self.randomness),
                subject=change.device,
                verdict=str(change.after.name),
                current=after,
                previous=before,
                event_time=now,
            ),
        )


@dataclass(slots=True, kw_only=True)
class Reappraiser:
    """`note` and `wake` are for whoever changes something: kms.appraisal.ports.PolicyListener."""

    database: Database
    clock: Clock
    reappraisal: Reappraisal
    assurance: AssuranceService
    refresh: Refresh
    look_seconds: float = LOOK_SECONDS
    _awake: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, tx: Connection, tenant: str, now: datetime) -> None:
        """In the transaction that puts another policy in force."""
        change_store.count_change(tx, tenant, POLICY, now=now)

    def wake(self, tenant: str = "") -> None:  # noqa: ARG002 - it looks at all tenants
        self._awake.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._awake.clear()
            try:
                await self.catch_up()
            except (HsmError, ServiceError) as error:
                _logger.warning("stored evidence is not judged again yet: %s", error)
            except Exception:  # the edge of this task: nobody else would say it, and the next round may succeed
                _logger.exception("stored evidence could not be judged again")
            try:
                async with asyncio.timeout(self.look_seconds):
                    await self._awake.wait()
            except TimeoutError:
                pass

    async def catch_up(self) -> int:
        """Everything that is to be done now; gives how many judgements changed."""
        await self.assurance.announce_due(self.clock.now())
        changed = 0
        for due in await self.database.read(_due):
            await self.refresh(due.owner)
            for tenant in await self._tenants(due.owner):
                changed += await self._judge_all(due, tenant)
            await self._finish(due)
        return changed

    async def _finish(self, done: Pass) -> None:
        await self.database.write(lambda tx: change_store.set_reappraised(tx, done.owner, done.topic, done.number))

    async def _tenants(self, owner: str) -> list[str]:
        return await self.database.read(store.tenants) if owner == SYSTEM_TENANT else [owner]

    async def _judge_all(self, due: Pass, tenant: str) -> int:
        changed, after = 0, ""
        while page := await self.reappraisal.devices(tenant, after=after, limit=PAGE_DEVICES):
            for device in page:
                if due.concerns(device):
                    changed += await self._judge(device)
            after = page[-1].name.id
        return changed

    async def _judge(self, device: Device) -> bool:
        """Waits while the verifier has no room: fresh evidence goes first."""
        while True:
            now = self.clock.now()
            try:
                change = await self.reappraisal.reappraise(device.name, now=now)
            except ResourceExhausted as error:
                await asyncio.sleep(error.retry_after_seconds or 1)
                continue
            if change is not None:
                _logger.info("%s was judged again: %s", device.name, ", ".join(change.after.reasons) or "appraised")
                await self.assurance.announce_due(now)
            return change is not None


def _due(tx: Connection) -> list[Pass]:
    done = change_store.reappraised(tx)
    changes = sorted(change_store.changes(tx).items())
    return [Pass(owner, topic, number) for (owner, topic), number in changes if done.get((owner, topic), 0) < number]


def _level(*, appraised: bool) -> AssuranceLevel:
    return AssuranceLevel.APPRAISED if appraised else AssuranceLevel.NOT_APPRAISED
