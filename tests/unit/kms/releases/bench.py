"""Releases on the bench of the devices, put together as the composition root does it: everything below them is real."""

import contextlib
import hashlib
import json
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy.engine import Connection

from attestation.testing import DeviceKey
from hallmark.v1 import consent_pb2, devices_pb2, releases_pb2, removal_pb2
from hallmark_client.model.devices import hpke_message
from hallmark_envelope import EnvelopePrivateKey, HpkeKem, seal_envelope
from kms.app.consent import ConsentParts, make_consent
from kms.app.releases import ReleaseParts, make_releases
from kms.app.removal import RemovalParts, make_orders, make_removal
from kms.artifacts.revocable import RevocableArtifacts
from kms.artifacts.rpc import ArtifactServicer
from kms.artifacts.service import ArtifactStatusService
from kms.config import Config
from kms.consent.given import GivenLeases, RevocableHolders
from kms.consent.revocable import RevocableConsents
from kms.core.call import Call
from kms.core.database import Database
from kms.core.identity import Role
from kms.core.names import ChildName, KeyName
from kms.devices.gate import DeviceVerdicts
from kms.devices.model import certificate_name
from kms.envelopes.opening import EnvelopeOpener
from kms.events.appending import Events
from kms.keys.algorithms import HPKE_DEFAULT
from kms.keys.model import Key, KeyPurpose
from kms.keys.policies import KeySettings, UsageLimits
from kms.keys.usage import UseRates
from kms.releases.holding import HeldKeys, RevocableReleases
from kms.removal.overdue import OverdueDevices
from support.gate_world import GateWorld
from unit.kms.devices.bench import DeviceBench, devices_running

PARENT = "tenants/default"
MODEL = f"{PARENT}/models/example-7b"
CONTENT_KEY = bytes(range(32))
KEM = HpkeKem.MLKEM768_X25519
NONCE = b"a question of the device"


def info_of(model: str, version: str, epoch: int) -> bytes:
    """Of a content key."""
    told = {"epoch": epoch, "model": model, "purpose": "hallmark/release-key/v1", "version": version}
    return json.dumps(told, separators=(",", ":"), ensure_ascii=False).encode()


def statement(number: int) -> bytes:
    return hashlib.sha256(f"statement {number}".encode()).digest()


def artifact(number: int = 1) -> str:
    return f"{PARENT}/artifacts/{statement(number).hex()}"


@dataclass(frozen=True)
class Phone:
    """An attested device with its HPKE key."""

    name: ChildName
    hpke: EnvelopePrivateKey
    key: DeviceKey

    @property
    def who(self) -> dict[str, Any]:
        return {"role": Role.DEVICE, "name": certificate_name(self.name)}

    def open(self, given: releases_pb2.ArtifactKey) -> bytes:
        return self.hpke.open(given.envelope, info=given.info)


@dataclass(repr=False)  # asyncio takes the repr of what a fixture gives, several times a test
class ReleaseBench:
    base: DeviceBench
    gates: GateWorld
    consent: ConsentParts
    removal: RemovalParts
    artifacts: ArtifactServicer
    parts: ReleaseParts
    envelope_key: Key
    seeds: int = field(default=0)

    @property
    def servicer(self) -> Any:
        return self.parts.servicer

    @property
    def events(self) -> Events:
        return self.base.service.revocations.events

    @property
    def database(self) -> Database:
        return self.base.service.database

    def use(self, database: Database) -> None:
        """For everything that writes: the events of all of them are one object."""
        self.events.database = database

    def call(self, method: str, **who: Any) -> Call:
        return self.base.service.call(method, **who)

    def advance(self, span: timedelta) -> None:
        self.base.service.clock.advance(span.total_seconds())

    async def enrol(self, *, hpke: bool = True) -> Phone:
        self.seeds += 1
        private = EnvelopePrivateKey.from_seed(KEM, bytes([self.seeds]) * 32)
        challenge = await self.base.challenge()
        key = self.base.phone.generate_key(challenge.challenge)
        message = hpke_message(challenge.challenge, int(KEM), private.public_key)
        assert isinstance(key.private_key, ec.EllipticCurvePrivateKey)
        registration = devices_pb2.DeviceHpkeKey(
            kem_id=int(KEM),
            public_key=private.public_key,
            signature=key.private_key.sign(message, ec.ECDSA(hashes.SHA256())),
        )
        more = {"hpke_key": registration} if hpke else {}
        answer = await self.base.attest(self.base.request(challenge, key.evidence, key_spki=key.spki, **more))
        name = ChildName.parse(answer.device.name, "devices")
        self.gates.evidence[name] = challenge.challenge, key
        return Phone(name, private, key)

    async def limited_key(self, total: int) -> Key:
        """An envelope key that may be used so often."""
        key, _, _ = await self.base.service.keys.create(
            KeyName("default", "limited"),
            algorithm=HPKE_DEFAULT,
            purpose=KeyPurpose.ENVELOPE,
            labels={},
            settings=KeySettings(usage_limits=UsageLimits(total=total)),
            request=self.gates.request(),
            now=self.gates.now,
            published=False,
        )
        return key

    def seal(self, info: bytes, content_key: bytes = CONTENT_KEY, *, key: Key | None = None) -> bytes:
        version = (key or self.envelope_key).versions[0]
        return seal_envelope(version.public_bytes, KEM, content_key, info=info)

    def wanted(self, number: int = 1, **changes: Any) -> releases_pb2.CreateReleaseRequest:
        """content_key: what is sealed; sealed_with: the info in place of the right one."""
        said = {"model": MODEL, "version": f"1.{number}", "epoch": number, **changes}
        key, info = said.pop("key", self.envelope_key), info_of(said["model"], said["version"], said["epoch"])
        sealed = self.seal(said.pop("sealed_with", info), said.pop("content_key", CONTENT_KEY), key=key)
        return releases_pb2.CreateReleaseRequest(
            **{
                "parent": PARENT,
                "kind": consent_pb2.ARTIFACT_KIND_MODEL_WEIGHTS,
                "statement_sha256": statement(number),
                "index_sha256": hashlib.sha256(b"index").digest(),
                "key_version": f"{key.name}/versions/1",
                "content_key_envelope": sealed,
                "content_key_info": info,
                "request_id": str(uuid.uuid4()),
                **said,
            }
        )

    async def create(
        self, number: int = 1, *, who: dict[str, Any] | None = None, **changes: Any
    ) -> releases_pb2.ReleaseResponse:
        return await self.send(self.wanted(number, **changes), **(who or {}))

    async def send(self, request: releases_pb2.CreateReleaseRequest, **who: Any) -> releases_pb2.ReleaseResponse:
        found: releases_pb2.ReleaseResponse = await self.servicer.CreateRelease(
            request, self.call("CreateRelease", **who)
        )
        return found

    async def get(self, number: int = 1, **who: Any) -> releases_pb2.Release:
        request = releases_pb2.GetReleaseRequest(name=f"{PARENT}/releases/{statement(number).hex()}")
        found: releases_pb2.Release = await self.servicer.GetRelease(request, self.call("GetRelease", **who))
        return found

    async def listed(self, **fields: Any) -> releases_pb2.ListReleasesResponse:
        request = releases_pb2.ListReleasesRequest(**{"parent": PARENT, **fields})
        found: releases_pb2.ListReleasesResponse = await self.servicer.ListReleases(request, self.call("ListReleases"))
        return found

    async def request_key(
        self, phone: Phone, number: int = 1, *, who: dict[str, Any] | None = None, **changes: Any
    ) -> releases_pb2.ArtifactKey:
        request = releases_pb2.RequestArtifactKeyRequest(
            **{"artifact": artifact(number), "nonce": NONCE, "request_id": str(uuid.uuid4()), **changes}
        )
        found: releases_pb2.ArtifactKey = await self.servicer.RequestArtifactKey(
            request, self.call("RequestArtifactKey", **(who or phone.who))
        )
        return found

    async def anchor(
        self, phone: Phone, size: int, head: bytes, *, who: dict[str, Any] | None = None, **changes: Any
    ) -> releases_pb2.AnchorDeviceAuditResponse:
        request = releases_pb2.AnchorDeviceAuditRequest(
            **{"device": str(phone.name), "size": size, "head": head, "request_id": str(uuid.uuid4()), **changes}
        )
        found: releases_pb2.AnchorDeviceAuditResponse = await self.servicer.AnchorDeviceAudit(
            request, self.call("AnchorDeviceAudit", **(who or phone.who))
        )
        return found

    async def grant(self, *phones: Phone, number: int = 1, **fields: Any) -> str:
        """The consent's name."""
        request = consent_pb2.GrantConsentRequest(
            parent=PARENT,
            subject="alice@example.com",
            controller="https://bank.example",
            purposes=["dpv:FraudPreventionAndDetection"],
            artifacts=[consent_pb2.ConsentArtifact(artifact=artifact(number))],
            devices=[str(each.name) for each in phones],
            request_id=str(uuid.uuid4()),
            **fields,
        )
        answer = await self.consent.servicer.GrantConsent(request, self.call("GrantConsent"))
        return str(answer.consent.name)

    async def withdraw(self, consent: str) -> None:
        request = consent_pb2.WithdrawConsentRequest(name=consent, request_id=str(uuid.uuid4()))
        await self.consent.servicer.WithdrawConsent(request, self.call("WithdrawConsent"))

    async def revoke(self, number: int = 1) -> None:
        await self.base.service.revoke(artifact(number))

    async def ask_to_delete(self, phone: Phone, number: int = 1) -> removal_pb2.Removal:
        request = removal_pb2.RequestDeletionRequest(
            device=str(phone.name), artifact=artifact(number), request_id=str(uuid.uuid4())
        )
        return await self.removal.servicer.RequestDeletion(request, self.call("RequestDeletion"))

    async def removals(self, **fields: Any) -> list[removal_pb2.Removal]:
        request = removal_pb2.ListRemovalsRequest(parent=PARENT, **fields)
        return list((await self.removal.servicer.ListRemovals(request, self.call("ListRemovals"))).removals)

    async def logged(self, *types: str) -> list[dict[str, Any]]:
        """Entries of these types, in the order of the queue."""

        def find(tx: Connection) -> list[dict[str, Any]]:
            rows = tx.execute(sa.text("SELECT data FROM tlog_queue ORDER BY id")).scalars()
            return [entry for entry in (json.loads(bytes(data)) for data in rows) if entry["type"] in types]

        return await self.database.read(find)


@contextlib.asynccontextmanager
async def releases_running(folder: Path) -> AsyncIterator[ReleaseBench]:
    async with devices_running(folder) as base:
        service, config = base.service, Config(home=folder)
        opener = EnvelopeOpener(service.keys, UseRates(service.clock), DeviceVerdicts())
        consent, removal, parts = await _permission(base, opener, config)
        gates = GateWorld(base, service.keys, service.signing, opener, None)  # type: ignore[arg-type] # no data keys
        key = await gates.create("content", None, algorithm=HPKE_DEFAULT, purpose=KeyPurpose.ENVELOPE)
        artifacts = ArtifactServicer(ArtifactStatusService(events=service.revocations.events))
        yield ReleaseBench(base, gates, consent, removal, artifacts, parts, key)


async def _permission(
    base: DeviceBench, opener: EnvelopeOpener, config: Config
) -> tuple[ConsentParts, RemovalParts, ReleaseParts]:
    """As kms.app.permission does it."""
    service, events = base.service, base.service.revocations.events
    subjects = service.revocations.subjects
    subjects["devices"] = RevocableHolders(subjects["devices"])
    subjects["artifacts"] = RevocableReleases(RevocableArtifacts())
    subjects["consents"] = RevocableConsents(service.clock)
    orders = make_orders(config, events, HeldKeys(GivenLeases()))
    consent = await make_consent(
        config.consent,
        events,
        clock=service.clock,
        status_uri=lambda tenant, place: f"https://status.example/status/{tenant}/lists/{place.list}",
        removals=orders,
        blocked=OverdueDevices(),
    )
    removal = make_removal(
        config, orders=orders, revocations=service.revocations, devices=base.devices, clock=service.clock
    )
    parts = make_releases(
        events, opener=opener, leases=consent.servicer.leases, orders=orders, clock=service.clock, interval_seconds=1
    )
    return consent, removal, parts
