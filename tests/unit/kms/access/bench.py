"""Access rules on the bench of the revocations: the real services below gRPC, and callers who come through the door."""

import contextlib
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf import timestamp_pb2

from hallmark.v1 import access_pb2
from kms.access.ports import SeenCall
from kms.access.question import NO_VERDICT, VerdictFacts
from kms.access.rpc import AccessServicer
from kms.app.access import AccessRules, make_access, make_access_rules
from kms.approvals.model import ApprovalPolicy
from kms.approvals.service import ApprovalService
from kms.core.call import Call, Channel
from kms.core.errors import Unavailable
from kms.core.identity import Caller, Role
from kms.core.resources import ResourceFacts
from kms.keys.facts import KeyFacts, facts_of_name
from unit.kms.revocation.bench import TENANT, Bench, caller, running

PARENT = f"tenants/{TENANT}"
DOMAIN = "hallmark.test"
ADMINS = '@id("admins")\npermit(principal, action, resource) when { principal.role == "admin" };\n'
SIGNERS = (
    ADMINS
    + '@id("backends-sign")\npermit(principal, action == Action::"SigningService.Sign", resource)'
    + ' when { principal.role == "backend" };\n'
)
HYBRID = Channel("ipv4:10.1.2.3:50000", "TLSv1.3", "X25519MLKEM768")
CLASSICAL = Channel("ipv4:10.1.2.3:50000", "TLSv1.3", "X25519")
BACKEND, AUDITOR = caller(Role.BACKEND, name="bob"), caller(Role.AUDITOR, name="eve")


@dataclass
class Facts:
    """A FactsReader that a test fills, and that counts."""

    known: dict[str, ResourceFacts] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    async def facts(self, name: str) -> ResourceFacts:
        self.asked.append(name)
        return self.known.get(name) or facts_of_name(name)


@dataclass
class Verdicts:
    """A VerdictReader of one verdict."""

    found: VerdictFacts = NO_VERDICT

    async def verdict(self, caller: Caller, now: datetime) -> VerdictFacts:
        return self.found


@dataclass
class Seen:
    """SeenCalls that a test writes down. The token is the place of the next one."""

    calls: list[SeenCall] = field(default_factory=list)

    async def page(self, tenant: str, page_size: int, token: str) -> tuple[Sequence[SeenCall], str]:
        begin = int(token or 0)
        rest = len(self.calls) - begin - page_size
        return self.calls[begin : begin + page_size], str(begin + page_size) if rest > 0 else ""


class Switch:
    """A database that is away when told to."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self.away: Unavailable | None = None

    async def read(self, work: Any) -> Any:
        if self.away is not None:
            raise self.away
        return await self._database.read(work)


@dataclass(frozen=True)
class AccessBench:
    service: Bench
    approvals: ApprovalService
    rules: AccessRules
    servicer: AccessServicer
    facts: Facts
    verdicts: Verdicts
    seen: Seen

    def call(self, method: str, *, channel: Channel = HYBRID, **who: Any) -> Call:
        return Call(f"call-{uuid.uuid4()}", method, caller(**who), channel, self.service.clock.now())

    async def set(self, document: str, *, request_id: str | None = None, **more: Any) -> Any:
        who = more.pop("who", {})
        fields = {"parent": PARENT, "document": document.encode(), "request_id": request_id or str(uuid.uuid4())}
        request = access_pb2.SetAccessPolicyRequest(**{**fields, **more})
        return await self.servicer.SetAccessPolicy(request, self.call("SetAccessPolicy", **who))

    async def activate(self, name: str, *, request_id: str | None = None, proposal: str = "", **who: Any) -> Any:
        request = access_pb2.ActivateAccessPolicyRequest(
            name=name, proposal=proposal, request_id=request_id or str(uuid.uuid4())
        )
        return await self.servicer.ActivateAccessPolicy(request, self.call("ActivateAccessPolicy", **who))

    async def in_force(self, document: str) -> str:
        """Set and activated: its name."""
        name: str = (await self.set(document)).policy.name
        await self.activate(name)
        return name

    async def grant(self, principal: str, *actions: str, request_id: str | None = None, **more: Any) -> Any:
        who, days = more.pop("who", {}), more.pop("days", 1.0)
        until = timestamp_pb2.Timestamp()
        until.FromDatetime(self.service.clock.now() + timedelta(days=days))
        request = access_pb2.CreateGrantRequest(
            parent=more.pop("parent", PARENT),
            grant=access_pb2.Grant(principal=principal, actions=actions, expire_time=until, **more),
            request_id=request_id or str(uuid.uuid4()),
        )
        return await self.servicer.CreateGrant(request, self.call("CreateGrant", **who))

    async def revoke(self, name: str, *, request_id: str | None = None, **who: Any) -> Any:
        request = access_pb2.RevokeGrantRequest(name=name, request_id=request_id or str(uuid.uuid4()))
        return await self.servicer.RevokeGrant(request, self.call("RevokeGrant", **who))

    async def enter(self, who: Caller, action: str, *resources: str, channel: Channel = HYBRID) -> tuple[str, ...]:
        """Through the door; raises what the caller would get."""
        return await self.rules.decisions.check(who, action, resources, channel)

    async def test(self, who: Caller, action: str, resource: str = "", **fields: Any) -> access_pb2.TestAccessResponse:
        asker = fields.pop("asker", {})
        request = access_pb2.TestAccessRequest(
            parent=PARENT, principal=who.spiffe_id, action=action, resource=resource, **fields
        )
        return await self.servicer.TestAccess(request, self.call("TestAccess", **asker))

    async def effective(self, who: Caller, resource: str = "") -> dict[str, access_pb2.EffectiveGrant]:
        """By action."""
        request = access_pb2.ListEffectiveGrantsRequest(parent=PARENT, principal=who.spiffe_id, resource=resource)
        found = await self.servicer.ListEffectiveGrants(request, self.call("ListEffectiveGrants"))
        return {grant.action: grant for grant in found.grants}


@contextlib.asynccontextmanager
async def access_running(folder: Path) -> AsyncIterator[AccessBench]:
    async with running(folder) as service:
        approvals = ApprovalService(
            database=service.database, log=service.log, randomness=service.randomness, policy=ApprovalPolicy()
        )
        facts, verdicts, seen = Facts(), Verdicts(), Seen()
        rules = make_access_rules(service.database, service.clock, facts, verdicts=verdicts)
        servicer = await make_access(rules, service.keys, service.signing, approvals, trust_domain=DOMAIN, seen=seen)
        yield AccessBench(service, approvals, rules, servicer, facts, verdicts, seen)


async def replica_of(bench: AccessBench) -> AccessRules:
    """Another process over the same database, that has looked once."""
    service = bench.service
    rules = make_access_rules(
        service.database, service.clock, KeyFacts(service.database, service.clock), verdicts=bench.verdicts
    )
    await rules.decisions.source.refresh()
    return rules
