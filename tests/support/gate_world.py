"""Keys with an attestation gate below gRPC: the real devices, signatures and envelopes over one database."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from attestation.status import parse_status_list
from attestation.testing import DeviceKey
from hallmark_envelope import HpkeKem, seal_envelope
from hsm.provider import SignRequest
from kms.core.idempotency import RequestKey
from kms.core.identity import Caller, Role
from kms.core.names import ChildName, KeyName, KeyVersionName
from kms.devices.gate import DeviceVerdicts
from kms.devices.model import certificate_name
from kms.envelopes.data_keys import DataKeys
from kms.envelopes.model import DataKey, Opened, Opening
from kms.envelopes.opening import EnvelopeOpener
from kms.keys.algorithms import DEFAULT, HPKE_DEFAULT
from kms.keys.attestation_gate import AttestationGate
from kms.keys.formats import SignatureFormat
from kms.keys.inputs import SignInput
from kms.keys.key_update import GateChange, KeyUpdate
from kms.keys.model import Key, KeyPurpose, SignAnswer
from kms.keys.policies import KeySettings
from kms.keys.service import KeyService
from kms.keys.sign_item import SignItem, item_of
from kms.keys.signing import SigningService
from kms.keys.usage import UseRates
from kms.keys.verdict_gate import NOBODY, Claimant
from unit.kms.devices.bench import EMPTY_LIST, DeviceBench, devices_running

ADMIN = Caller("spiffe://hallmark.test/tenants/default/admin/a", "default", Role.ADMIN, "a")


def device_caller(device: ChildName) -> Caller:
    """As the certificate of an attested device names it."""
    name = certificate_name(device)
    return Caller(f"spiffe://hallmark.test/tenants/{device.tenant}/device/{name}", device.tenant, Role.DEVICE, name)


@dataclass
class GateWorld:
    bench: DeviceBench
    keys: KeyService
    signing: SigningService
    opener: EnvelopeOpener
    data_keys: DataKeys
    evidence: dict[ChildName, tuple[bytes, DeviceKey]] = field(default_factory=dict)

    @property
    def now(self) -> Any:
        return self.bench.service.clock.now()

    def advance(self, span: timedelta) -> None:
        self.bench.service.clock.advance(span.total_seconds())

    def request(self, body: bytes = b"", request_id: str | None = None) -> RequestKey:
        return RequestKey.of(ADMIN, request_id or str(uuid.uuid4()), "method", body)

    async def create(self, key_id: str, gate: AttestationGate | None, **more: Any) -> Key:
        settings = KeySettings(attestation_gate=gate)
        key, _, _ = await self.keys.create(
            KeyName("default", key_id),
            **{"algorithm": DEFAULT, "labels": {}, **more},
            settings=settings,
            request=self.request(),
            now=self.now,
            published=False,
        )
        return key

    async def create_envelope_key(self, key_id: str, gate: AttestationGate | None) -> Key:
        return await self.create(key_id, gate, algorithm=HPKE_DEFAULT, purpose=KeyPurpose.ENVELOPE)

    async def change_gate(self, key: Key, gate: AttestationGate | None) -> None:
        update = KeyUpdate(attestation_gate=GateChange(gate))
        await self.keys.update(key.name, update, etag="", request=self.request(), now=self.now, published=False)

    async def enrol(self) -> ChildName:
        """A phone's key: class HARDWARE, level TEE."""
        challenge = await self.bench.challenge()
        key = self.bench.phone.generate_key(challenge.challenge)
        answer = await self.bench.attest(self.bench.request(challenge, key.evidence, key_spki=key.spki))
        device = ChildName.parse(answer.device.name, "devices")
        self.evidence[device] = challenge.challenge, key
        return device

    async def attest_again(self, device: ChildName) -> None:
        """Another verdict about the same key."""
        value, key = self.evidence[device]
        now = self.now
        self.bench.status.put(parse_status_list(EMPTY_LIST, fetched_at=now), EMPTY_LIST)
        challenge = await self.bench.same_challenge(value)
        answer = await self.bench.attest(self.bench.request(challenge, key.evidence))
        assert answer.verdict.appraised, answer.verdict

    async def refuse(self, device: ChildName) -> None:
        """Judged again, by a policy that it does not meet."""
        policy = self.bench.policies.policy
        strict = replace(policy.android, min_os_patch_level=209912)
        self.bench.policies.policy = replace(policy, android=strict)
        assert await self.bench.reappraisal.reappraise(device, now=self.now) is not None

    async def revoke(self, device: ChildName) -> None:
        await self.bench.service.revoke(str(device))

    async def verdict_of(self, device: ChildName) -> str:
        return (await self.bench.get(str(device))).latest_verdict.name

    def item(self, key: Key, who: Claimant = NOBODY, *, request: RequestKey | None = None) -> SignItem:
        return item_of(key.name, SignInput(data=b"m"), SignatureFormat.RAW, request or self.request(), who)

    async def sign(self, key: Key, who: Claimant = NOBODY, *, request: RequestKey | None = None) -> SignAnswer:
        item = self.item(key, who, request=request)
        answer, _, _ = await self.signing.sign_item(item, now=self.now, published=False)
        return answer

    def opening(self, key: Key, who: Claimant = NOBODY, *, request: RequestKey | None = None) -> Opening:
        version = key.versions[0]
        assert version.algorithm.kem_id is not None
        envelope = seal_envelope(version.public_bytes, HpkeKem(version.algorithm.kem_id), b"secret", info=b"")
        name = KeyVersionName(key.name.tenant, key.name.key, 1)
        return Opening(
            name=name, envelope=envelope, info=b"", request=request or self.request(), published=False, claimant=who
        )

    async def open(self, opening: Opening) -> Opened:
        return await self.opener.open(opening, self.now)

    async def data_key(self, key: Key, who: Claimant = NOBODY, *, request: RequestKey | None = None) -> DataKey:
        return await self.data_keys.generate(
            key.name, info=b"", request=request or self.request(), now=self.now, who=who
        )

    async def logged(self, kind: str) -> list[dict[str, Any]]:
        """Details of the entries of this type that wait in the log, in order."""
        query = sa.text("SELECT data FROM tlog_queue")
        raw = await self.bench.service.database.read(lambda tx: list(tx.execute(query).scalars()))
        return [entry["details"] for entry in map(json.loads, raw) if entry["type"] == kind]


class Meanwhile:
    """A world's token; `act` is done once while it is asked, between the check and the commit."""

    def __init__(self, provider: Any, act: Callable[[], Awaitable[object]]) -> None:
        self._provider, self._act, self.asked = provider, act, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._provider, name)

    async def _once(self) -> None:
        self.asked += 1
        if self.asked == 1:
            await asyncio.shield(asyncio.ensure_future(self._act()))

    async def sign_many(self, requests: list[SignRequest]) -> Any:
        await self._once()
        return await self._provider.sign_many(requests)

    async def open_envelope(self, *given: Any, **more: Any) -> Any:
        await self._once()
        return await self._provider.open_envelope(*given, **more)


@asynccontextmanager
async def gate_world(folder: Path) -> AsyncIterator[GateWorld]:
    async with devices_running(folder) as bench:
        base, verdicts = bench.service, DeviceVerdicts()
        rates = UseRates(base.clock)
        signing = SigningService(base.database, base.provider, base.log, base.randomness, rates, verdicts=verdicts)
        keys = KeyService(base.database, base.provider, base.log, base.randomness)
        opener = EnvelopeOpener(keys, rates, verdicts)
        yield GateWorld(bench, keys, signing, opener, DataKeys(keys, opener))
