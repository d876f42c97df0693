"""Access rules, put together: the door that asks them, and AccessService."""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from sqlalchemy.engine import Connection

from kms.access.actions import Actions
from kms.access.door import AccessDecisions
from kms.access.dry_run import AccessDryRun
from kms.access.explaining import AccessExplained
from kms.access.granting import Grants
from kms.access.model import SIGNING_KEY_ID
from kms.access.ports import NothingSeen, SeenCall, SeenCalls
from kms.access.principals import Principals
from kms.access.question import NO_VERDICT, VerdictFacts, VerdictReader
from kms.access.rpc import AccessServicer
from kms.access.schema import parsed_schema, schema_text
from kms.access.service import AccessPolicies
from kms.access.source import TenantRules
from kms.approvals.model import PlannedAct, ProposedAct
from kms.approvals.service import ApprovalService
from kms.audit.seen_calls import SeenCallsReader
from kms.core.call import Call
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.gathering import Gathering
from kms.core.identity import Caller, device_of
from kms.core.names import ChildName
from kms.core.resources import FactsReader
from kms.devices import store as devices
from kms.devices.model import Device, DeviceState
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.keys.verification import VerificationService
from kms.server.doors import Asked
from kms.server.policy import POLICY, Row
from kms.server.resources import NAMED_LATER

ACTIONS: Final = Actions.of_rows({path: row.roles for path, row in POLICY.items()})
_EXEMPT: Final = "/grpc.health.v1."
_REMEMBERED_SECONDS: Final = 1.0
_LOOKED_UP_AT_ONCE: Final = 200
_KEPT_MAX: Final = 20_000


@dataclass(frozen=True, slots=True)
class AccessRules:
    """A kms.server.doors.AccessDoor."""

    decisions: AccessDecisions

    async def check(self, call: Call, row: Row, asked: Asked) -> tuple[str, ...]:  # noqa: ARG002 - its roles were asked
        """Ids of the statements that permit it. Load balancers ask for health, about no tenant: everybody may. A
        message of a stream that names nothing goes on with what an earlier one named.
        """
        if call.method.startswith(_EXEMPT) or (asked.action in NAMED_LATER and not asked.resources):
            return ()
        return await self.decisions.check(call.caller, asked.action, asked.resources, call.channel)

    def edition(self, tenant: str) -> object:
        return self.decisions.edition(tenant)


class CallingDevices:
    """A kms.access.question.VerdictReader: what the tables of devices say, a second old at most."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._clock = clock
        self._devices: Gathering[ChildName, Device | None] = Gathering(database, _find, at_most=_LOOKED_UP_AT_ONCE)
        self._seen: OrderedDict[ChildName, tuple[float, Device | None]] = OrderedDict()

    async def verdict(self, caller: Caller, now: datetime) -> VerdictFacts:
        name = device_of(caller)
        found = None if name is None else await self._look_up(name)
        if found is None:
            return NO_VERDICT
        return VerdictFacts(
            attested=found.state is DeviceState.ATTESTED,
            appraised=found.state is DeviceState.ATTESTED and found.latest_verdict.appraised,
            device_class=found.device_class.value,
            age_seconds=max(0, int((now - found.live_time).total_seconds())),
        )

    async def _look_up(self, name: ChildName) -> Device | None:
        at, found = self._seen.get(name, (0.0, None))
        asked_at = self._clock.monotonic()
        if name not in self._seen or asked_at - at >= _REMEMBERED_SECONDS:
            found = await self._devices.ask(name)
            self._seen[name] = (asked_at, found)
            self._seen.move_to_end(name)
            while len(self._seen) > _KEPT_MAX:
                self._seen.popitem(last=False)
        return found


@dataclass(frozen=True, slots=True)
class AuditedCalls:
    """A kms.access.ports.SeenCalls, out of what the audit keeps."""

    reader: SeenCallsReader

    async def page(self, tenant: str, page_size: int, token: str) -> tuple[Sequence[SeenCall], str]:
        found, next_token = await self.reader.page(tenant, page_size, token)
        return [
            SeenCall(
                principal=each.kind.caller,
                action=each.kind.action,
                resource=each.kind.resource,
                address=each.kind.network,
                tls_group=each.kind.tls_group,
                count=each.count,
                last_time=each.last_time,
            )
            for each in found
        ], next_token


@dataclass(frozen=True, slots=True)
class AccessApprovals:
    """A kms.access.ports.ActivationGate."""

    approvals: ApprovalService

    def consume(self, tx: Connection, proposal: str, subject: str, parameters_sha256: bytes, now: datetime) -> None:
        planned = PlannedAct(act=ProposedAct.POLICY_CHANGE, subject=subject, parameters_sha256=parameters_sha256)
        self.approvals.consume(tx, proposal, planned, now)


def make_access_rules(
    database: Database, clock: Clock, facts: FactsReader, *, verdicts: VerdictReader | None = None
) -> AccessRules:
    """The door; also of processes without AccessService. Its `decisions.source` wants `refresh` before the first call,
    and `run` in the background. `facts`: kms.keys.facts.KeyFacts.
    """
    source = TenantRules(database=database, verification=VerificationService(database), clock=clock, actions=ACTIONS)
    return AccessRules(
        AccessDecisions(
            source=source,
            actions=ACTIONS,
            facts=facts,
            verdicts=verdicts or CallingDevices(database, clock),
            clock=clock,
        )
    )


async def make_access(
    rules: AccessRules,
    keys: KeyService,
    signing: SigningService,
    approvals: ApprovalService,
    *,
    trust_domain: str,
    seen: SeenCalls | None = None,
) -> AccessServicer:
    """`seen`: AuditedCalls, where calls are audited. Raises HsmError, and what the database raises."""
    decisions, clock = rules.decisions, rules.decisions.clock
    await keys.ensure_service_key(SIGNING_KEY_ID, clock.now())
    await decisions.source.refresh()
    schema, principals = parsed_schema(schema_text(ACTIONS)), Principals(trust_domain)
    database, log, randomness = keys.database, approvals.log, approvals.randomness
    policies = AccessPolicies(
        database=database,
        signing=signing,
        log=log,
        randomness=randomness,
        decisions=decisions,
        schema=schema,
        gate=AccessApprovals(approvals),
    )
    grants = Grants(
        database=database,
        log=log,
        randomness=randomness,
        source=decisions.source,
        actions=ACTIONS,
        principals=principals,
        schema=schema,
    )
    return AccessServicer(
        policies=policies,
        grants=grants,
        trial=AccessDryRun(decisions, ACTIONS, principals, seen or NothingSeen()),
        explained=AccessExplained(decisions, ACTIONS),
        principals=principals,
    )


def _find(tx: Connection, names: Sequence[ChildName]) -> list[Device | None]:
    return list(map(partial(devices.find_device, tx), names))
