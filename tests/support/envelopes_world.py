"""Envelopes below gRPC: the real services, a real log and database, keys in memory, a clock that stands."""

import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from hallmark.v1 import envelopes_pb2
from hallmark_envelope import HpkeKem, seal_envelope
from kms.approvals.model import ApprovalPolicy
from kms.approvals.rpc import ApprovalServicer
from kms.approvals.service import ApprovalService
from kms.core.call import Call
from kms.core.names import KeyVersionName
from kms.envelopes.data_keys import DataKeys
from kms.envelopes.model import SIGNING_KEY_ID
from kms.envelopes.opening import EnvelopeOpener
from kms.envelopes.rpc import EnvelopeServicer
from kms.envelopes.shredding import Shredder
from kms.envelopes.statements import EnvelopeKeys
from kms.keys.algorithms import HPKE_DEFAULT
from kms.keys.life import LifeService
from kms.keys.lifecycle import Action
from kms.keys.model import Key, KeyPurpose
from kms.keys.usage import UseRates
from kms.server.errors import to_status
from support.approvals_world import ApprovalsWorld, Operator
from support.clock import FakeClock
from support.keys_world import KeysWorld, keys_world
from support.randomness import SeededRandomness

KEY = "tenants/default/keys/telemetry"
VERSION = f"{KEY}/versions/1"


@dataclass
class EnvelopesWorld:
    """`approvals` shares database and log; its people may also call this servicer."""

    keys: KeysWorld
    approvals: ApprovalsWorld
    servicer: EnvelopeServicer

    @property
    def clock(self) -> FakeClock:
        return self.keys.world.clock

    async def create(self, key_id: str = "telemetry", **more: Any) -> Key:
        return await self.keys.create(key_id, **{"algorithm": HPKE_DEFAULT, "purpose": KeyPurpose.ENVELOPE, **more})

    async def change(self, version: str, action: Action) -> None:
        await LifeService(self.keys.keys).change(
            KeyVersionName.parse(version),
            action,
            request=self.keys.request(uuid.uuid4().bytes),
            now=self.clock.now(),
            published=False,
        )

    async def shred_first(self) -> envelopes_pb2.ShredEpochResponse:
        """Rotates, so that the first epoch may go, and shreds it."""
        await self.keys.rotate("telemetry")
        return await self.shred()

    def seal(self, plaintext: bytes, key: Key, *, info: bytes = b"", version: int | None = None) -> bytes:
        found = key.version(version or key.primary or 1)
        assert found is not None
        assert found.algorithm.kem_id is not None
        return seal_envelope(found.public_bytes, HpkeKem(found.algorithm.kem_id), plaintext, info=info)

    def call(self, method: str, who: Operator | None = None) -> Call:
        return (who or self.approvals.person("alice")).call(method, self.clock)

    async def statement(self, name: str = KEY, who: Operator | None = None) -> envelopes_pb2.EnvelopeKey:
        request = envelopes_pb2.GetEnvelopeKeyRequest(name=name)
        return await self.servicer.GetEnvelopeKey(request, self.call("GetEnvelopeKey", who))

    def opening(self, envelope: bytes, **changes: Any) -> envelopes_pb2.OpenEnvelopeRequest:
        return envelopes_pb2.OpenEnvelopeRequest(
            **{"name": VERSION, "envelope": envelope, "request_id": str(uuid.uuid4()), **changes}
        )

    async def open(
        self, envelope: bytes, who: Operator | None = None, **changes: Any
    ) -> envelopes_pb2.OpenEnvelopeResponse:
        request = self.opening(envelope, **changes)
        return await self.servicer.OpenEnvelope(request, self.call("OpenEnvelope", who))

    async def open_many(
        self, *requests: envelopes_pb2.OpenEnvelopeRequest, parent: str = "tenants/default"
    ) -> list[envelopes_pb2.OpenEnvelopesResponse.Result]:
        request = envelopes_pb2.OpenEnvelopesRequest(parent=parent, requests=requests)
        return list((await self.servicer.OpenEnvelopes(request, self.call("OpenEnvelopes"))).results)

    async def data_key(self, **changes: Any) -> envelopes_pb2.GenerateDataKeyResponse:
        request = envelopes_pb2.GenerateDataKeyRequest(**{"name": KEY, "request_id": str(uuid.uuid4()), **changes})
        return await self.servicer.GenerateDataKey(request, self.call("GenerateDataKey"))

    async def shred(self, **changes: Any) -> envelopes_pb2.ShredEpochResponse:
        request = envelopes_pb2.ShredEpochRequest(**{"name": VERSION, "request_id": str(uuid.uuid4()), **changes})
        return await self.servicer.ShredEpoch(request, self.call("ShredEpoch"))

    async def logged(self, *types: str) -> list[dict[str, Any]]:
        """Entries of these types that wait in the log, in order."""
        raw = await self.keys.world.read(lambda tx: list(tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()))
        return [entry for entry in map(json.loads, raw) if entry["type"] in types]


@asynccontextmanager
async def envelopes_world(folder: Path) -> AsyncIterator[EnvelopesWorld]:
    async with keys_world(folder) as keys:
        world, log = keys.world, keys.keys.log
        await keys.keys.ensure_service_key(SIGNING_KEY_ID, world.clock.now())
        approvals = ApprovalService(
            database=world.database, log=log, randomness=SeededRandomness(2), policy=ApprovalPolicy()
        )
        opener = EnvelopeOpener(keys.keys, UseRates(world.clock))
        servicer = EnvelopeServicer(
            statements=EnvelopeKeys(world.database, keys.signing),
            opener=opener,
            data_keys=DataKeys(keys.keys, opener),
            shredder=Shredder(keys.keys, approvals),
            status_of=to_status,
        )
        people = ApprovalsWorld(world, approvals, ApprovalServicer(approvals))
        yield EnvelopesWorld(keys, people, servicer)
