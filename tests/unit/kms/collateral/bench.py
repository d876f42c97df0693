"""Collateral and anchors on the bench of the revocations: a real log and database, throw-away vendors."""

import contextlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from attestation.formats.sev_snp_tcb import Product
from attestation.model import Anchors
from attestation.testing.amd import VirtualAmd
from attestation.testing.crl import CrlRequest, issue_crl
from hallmark.v1 import approvals_pb2, collateral_pb2
from kms.approvals.model import ApprovalPolicy, ProposedAct
from kms.approvals.rpc import ApprovalServicer
from kms.approvals.service import ApprovalService
from kms.collateral.anchor_service import AnchorService
from kms.collateral.rpc import CollateralServicer
from kms.collateral.service import CollateralService
from kms.collateral.shelf import CollateralShelf
from support.approvals_world import Operator
from support.clock import START
from unit.kms.revocation.bench import TENANT, Bench, running

PARENT = f"tenants/{TENANT}"
EMPTY_LIST = b'{"entries": {}}'


@dataclass
class CollateralBench:
    service: Bench
    shelf: CollateralShelf
    collateral: CollateralService
    anchors: AnchorService
    approvals: ApprovalService
    servicer: CollateralServicer
    amd: VirtualAmd
    changes: list[None] = field(default_factory=list)
    people: dict[str, Operator] = field(default_factory=dict)

    def crl(
        self,
        *,
        days: int = 0,
        minutes: int = 0,
        lifetime_days: int = 30,
        revoked: tuple[int, ...] = (),
        signer: Any = None,
    ) -> bytes:
        """The list of the product's root, issued `days` from the day before the beginning."""
        issued = START + timedelta(days=days - 1, minutes=minutes)
        request = CrlRequest(
            issuer=self.amd.root_name,
            this_update=issued,
            next_update=issued + timedelta(days=lifetime_days),
            revoked=dict.fromkeys(revoked, issued),
        )
        return issue_crl(request, signer=signer or self.amd.root_key)

    def require(self, number: int) -> None:
        self.approvals.policy = ApprovalPolicy({ProposedAct.TRUST_ROOT_CHANGE: number})

    async def put(
        self, kind: Any, data: bytes, *, request_id: str | None = None, tenant: str = TENANT, **fields: Any
    ) -> collateral_pb2.PutCollateralResponse:
        request = collateral_pb2.PutCollateralRequest(
            parent=f"tenants/{tenant}", kind=kind, data=data, request_id=request_id or str(uuid.uuid4()), **fields
        )
        return await self.servicer.PutCollateral(request, self.service.call("PutCollateral", tenant=tenant))

    async def list_all(self, *, tenant: str = TENANT, **fields: Any) -> collateral_pb2.ListCollateralResponse:
        request = collateral_pb2.ListCollateralRequest(parent=f"tenants/{tenant}", **fields)
        return await self.servicer.ListCollateral(request, self.service.call("ListCollateral", tenant=tenant))

    async def remove(self, name: str, **fields: Any) -> collateral_pb2.RemoveCollateralResponse:
        request = collateral_pb2.RemoveCollateralRequest(**{"name": name, "request_id": str(uuid.uuid4()), **fields})
        return await self.servicer.RemoveCollateral(request, self.service.call("RemoveCollateral"))

    async def add_anchor(self, anchor: collateral_pb2.Anchor, **fields: Any) -> collateral_pb2.AddAnchorResponse:
        request = collateral_pb2.AddAnchorRequest(
            **{"parent": PARENT, "anchor": anchor, "request_id": str(uuid.uuid4()), **fields}
        )
        return await self.servicer.AddAnchor(request, self.service.call("AddAnchor"))

    async def remove_anchor(self, name: str, **fields: Any) -> collateral_pb2.RemoveAnchorResponse:
        request = collateral_pb2.RemoveAnchorRequest(**{"name": name, "request_id": str(uuid.uuid4()), **fields})
        return await self.servicer.RemoveAnchor(request, self.service.call("RemoveAnchor"))

    async def list_anchors(self, *, tenant: str = TENANT) -> list[collateral_pb2.Anchor]:
        request = collateral_pb2.ListAnchorsRequest(parent=f"tenants/{tenant}")
        found = await self.servicer.ListAnchors(request, self.service.call("ListAnchors", tenant=tenant))
        return list(found.anchors)

    async def approved(self, subject: str, parameters_sha256: bytes = b"") -> str:
        """A proposal that somebody else agreed to."""
        alice, bob = (self.people.setdefault(name, Operator(name)) for name in ("alice", "bob"))
        servicer = ApprovalServicer(self.approvals)
        request = approvals_pb2.CreateProposalRequest(
            parent=PARENT,
            act=approvals_pb2.PROPOSED_ACT_TRUST_ROOT_CHANGE,
            subject=subject,
            parameters_sha256=parameters_sha256,
            request_id=str(uuid.uuid4()),
        )
        made = await servicer.CreateProposal(request, alice.call("CreateProposal", self.service.clock))
        approval = approvals_pb2.ApproveProposalRequest(
            name=made.name, signature=bob.sign(made.payload), request_id=str(uuid.uuid4())
        )
        await servicer.ApproveProposal(approval, bob.call("ApproveProposal", self.service.clock))
        return made.name

    async def logged(self) -> list[dict[str, Any]]:
        """Entries about collateral and anchors, oldest first."""
        query = sa.text("SELECT data FROM tlog_queue ORDER BY rowid")
        raw = await self.service.database.read(lambda tx: list(tx.execute(query).scalars()))
        return [entry for entry in map(json.loads, raw) if entry["type"].startswith(("collateral.", "anchor."))]


@contextlib.asynccontextmanager
async def collateral_running(folder: Path) -> AsyncIterator[CollateralBench]:
    amd = VirtualAmd.create(Product.MILAN, now=START)
    async with running(folder) as service:
        common = {"database": service.database, "log": service.log, "randomness": service.randomness}
        approvals = ApprovalService(**common, policy=ApprovalPolicy())
        shelf = CollateralShelf(service.database, Anchors(amd.anchors.items))
        await shelf.load()
        collateral = CollateralService(**common, approvals=approvals, shelf=shelf)
        anchors = AnchorService(**common, approvals=approvals, shelf=shelf)
        servicer = CollateralServicer(collateral, anchors)
        bench = CollateralBench(service, shelf, collateral, anchors, approvals, servicer, amd)
        collateral.changed = anchors.changed = lambda: bench.changes.append(None)
        yield bench
