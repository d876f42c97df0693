"""Approvals below gRPC: the real service, a real log and database, and people with certificates of their own."""

import itertools
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from hallmark.v1 import approvals_pb2
from kms.approvals.model import ApprovalPolicy, PlannedAct, ProposedAct
from kms.approvals.rpc import ApprovalServicer
from kms.approvals.service import ApprovalService
from kms.core.call import Call, Channel
from kms.core.identity import Caller, Role
from support.clock import START, FakeClock
from support.log_world import LogWorld
from support.randomness import SeededRandomness

TENANT = "default"
SUBJECT = "tenants/default/keys/telemetry/versions/1"
DESTROY = PlannedAct(act=ProposedAct.DESTROY, subject=SUBJECT)


@dataclass
class Operator:
    """Somebody with a client certificate."""

    name: str
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))
    tenant: str = TENANT

    def __post_init__(self) -> None:
        nobody = x509.Name([])
        self.certificate = (
            x509.CertificateBuilder(nobody, nobody, self.key.public_key(), x509.random_serial_number())
            .not_valid_before(START - timedelta(days=1))
            .not_valid_after(START + timedelta(days=300))
            .sign(self.key, hashes.SHA256())
            .public_bytes(Encoding.PEM)
        )

    def call(self, method: str, clock: FakeClock) -> Call:
        spiffe_id = f"spiffe://hallmark.test/tenants/{self.tenant}/admin/{self.name}"
        channel = Channel("ipv4:127.0.0.1:1", "TLSv1.3", "X25519MLKEM768", self.certificate)
        return Call(
            str(uuid.uuid4()), method, Caller(spiffe_id, self.tenant, Role.ADMIN, self.name), channel, clock.now()
        )

    def sign(self, payload: bytes) -> bytes:
        return self.key.sign(b"hallmark/approval/v1\n" + payload, ec.ECDSA(hashes.SHA256()))


@dataclass
class ApprovalsWorld:
    world: LogWorld
    approvals: ApprovalService
    servicer: ApprovalServicer
    people: dict[str, Operator] = field(default_factory=dict)
    _ids: Any = field(default_factory=itertools.count)

    @property
    def clock(self) -> FakeClock:
        return self.world.clock

    def person(self, name: str) -> Operator:
        return self.people.setdefault(name, Operator(name))

    def require(self, destroy: int) -> None:
        self.approvals.policy = ApprovalPolicy({ProposedAct.DESTROY: destroy, ProposedAct.SHRED: destroy})

    async def propose(self, who: str = "alice", **changes: Any) -> approvals_pb2.Proposal:
        request = approvals_pb2.CreateProposalRequest(
            **{
                "parent": f"tenants/{TENANT}",
                "act": approvals_pb2.PROPOSED_ACT_DESTROY,
                "subject": SUBJECT,
                "reason": "end of retention",
                "request_id": str(uuid.uuid4()),
                **changes,
            }
        )
        return await self.servicer.CreateProposal(request, self.person(who).call("CreateProposal", self.clock))

    async def approve(self, proposal: approvals_pb2.Proposal, who: str, **changes: Any) -> approvals_pb2.Proposal:
        signature = self.person(who).sign(proposal.payload)
        request = approvals_pb2.ApproveProposalRequest(
            **{"name": proposal.name, "signature": signature, "request_id": str(uuid.uuid4()), **changes}
        )
        return await self.servicer.ApproveProposal(request, self.person(who).call("ApproveProposal", self.clock))

    async def reject(self, name: str, who: str, **changes: Any) -> approvals_pb2.Proposal:
        request = approvals_pb2.RejectProposalRequest(**{"name": name, "request_id": str(uuid.uuid4()), **changes})
        return await self.servicer.RejectProposal(request, self.person(who).call("RejectProposal", self.clock))

    async def get(self, name: str, who: str = "alice") -> approvals_pb2.Proposal:
        request = approvals_pb2.GetProposalRequest(name=name)
        return await self.servicer.GetProposal(request, self.person(who).call("GetProposal", self.clock))

    async def list(self, who: str = "alice", **changes: Any) -> approvals_pb2.ListProposalsResponse:
        request = approvals_pb2.ListProposalsRequest(**{"parent": f"tenants/{TENANT}", **changes})
        return await self.servicer.ListProposals(request, self.person(who).call("ListProposals", self.clock))

    async def consume(self, proposal: str, planned: PlannedAct = DESTROY) -> None:
        """An act that asks whether it may be done, and is done."""
        now = self.clock.now()
        await self.world.database.write(lambda tx: self.approvals.consume(tx, proposal, planned, now))


@asynccontextmanager
async def approvals_world(folder: Path) -> AsyncIterator[ApprovalsWorld]:
    world = LogWorld(folder)
    log = await world.open()
    await log.prepare()
    approvals = ApprovalService(
        database=world.database, log=log, randomness=SeededRandomness(), policy=ApprovalPolicy()
    )
    try:
        yield ApprovalsWorld(world, approvals, ApprovalServicer(approvals))
    finally:
        await world.close()
