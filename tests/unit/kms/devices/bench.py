"""Devices on the bench of the revocations: the whole service below gRPC, and virtual phones to attest."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from attestation.model import Collateral, Evidence
from attestation.policy import AndroidPolicy, Policy
from attestation.status import StatusList, parse_status_list
from attestation.testing import DeviceKey, VirtualPhone, VirtualVendor
from hallmark.v1 import devices_pb2
from kms.app.devices import ensure_result_keys, make_devices
from kms.config import Config, ServerConfig
from kms.core.database import metadata
from kms.devices.reading import DeviceReader
from kms.devices.reappraisal import Reappraisal
from kms.devices.rpc import DeviceServicer
from kms.devices.service import DeviceService
from kms.devices.settings import DevicesSettings
from kms.devices.sources import FixedCollateral
from kms.server.local_ca import LocalAuthority
from support.clock import START
from unit.kms.revocation.bench import TENANT, Bench, running

ANDROID = devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY


class FixedStatus(FixedCollateral):
    """Collateral with a status list that the test puts in."""

    def put(self, found: StatusList | None, data: bytes = b"") -> None:
        """`data`: its bytes, for the archive."""
        self.collateral = Collateral(android_status=found)
        if found is not None:
            self.archive[found.sha256] = data


EMPTY_LIST = b'{"entries": {}}'


@dataclass
class PolicyInHand:
    """A PolicySource whose policy a test changes."""

    policy: Policy

    async def active(self, tenant: str) -> Policy:
        return self.policy


@dataclass(frozen=True)
class DeviceBench:
    service: Bench
    status: FixedStatus
    vendor: VirtualVendor
    phone: VirtualPhone
    devices: DeviceService
    reader: DeviceReader
    reappraisal: Reappraisal
    servicer: DeviceServicer
    authority: LocalAuthority
    policies: PolicyInHand

    async def challenge(
        self, *, request_id: str | None = None, purpose: Any = 0, key_spki: bytes = b"", **who: Any
    ) -> devices_pb2.Challenge:
        request = devices_pb2.CreateChallengeRequest(
            parent=f"tenants/{who.get('tenant', TENANT)}",
            request_id=request_id or str(uuid.uuid4()),
            purpose=purpose,
            key_spki=key_spki,
        )
        return await self.servicer.CreateChallenge(request, self.service.call("CreateChallenge", **who))

    async def same_challenge(self, value: bytes) -> devices_pb2.Challenge:
        """Another challenge of the same bytes: for a key that attests but the one it was made with."""
        challenge = await self.challenge()
        table = metadata.tables["attestation_challenge"]
        change = table.update().where(table.c.id == challenge.name.rpartition("/")[2]).values(value=value)
        await self.service.database.write(lambda tx: tx.execute(change))
        challenge.challenge = value
        return challenge

    def request(
        self, challenge: devices_pb2.Challenge, evidence: Evidence, *, request_id: str | None = None, **fields: Any
    ) -> devices_pb2.AttestDeviceRequest:
        return devices_pb2.AttestDeviceRequest(
            challenge=challenge.name,
            evidence=devices_pb2.Evidence(format=ANDROID, certificates=evidence.named("certificate")),
            request_id=request_id or str(uuid.uuid4()),
            **fields,
        )

    async def attest(self, request: devices_pb2.AttestDeviceRequest, **who: Any) -> devices_pb2.AttestDeviceResponse:
        return await self.servicer.AttestDevice(request, self.service.call("AttestDevice", **who))

    async def attest_phone(self, phone: VirtualPhone | None = None, **fields: Any) -> devices_pb2.AttestDeviceResponse:
        """Challenge, evidence and verdict for a new key of the phone."""
        challenge = await self.challenge()
        return await self.attest(self.request(challenge, (phone or self.phone).attest(challenge.challenge), **fields))

    async def enrol(self) -> tuple[DeviceKey, devices_pb2.Device]:
        challenge = await self.challenge()
        key = self.phone.generate_key(challenge.challenge)
        response = await self.attest(self.request(challenge, key.evidence, key_spki=key.spki))
        assert response.HasField("device"), response.verdict
        return key, response.device

    async def get(self, name: str, **who: Any) -> devices_pb2.Device:
        return await self.servicer.GetDevice(
            devices_pb2.GetDeviceRequest(name=name), self.service.call("GetDevice", **who)
        )


@contextlib.asynccontextmanager
async def devices_running(folder: Path, *, policy: AndroidPolicy | None = None) -> AsyncIterator[DeviceBench]:
    vendor = VirtualVendor.create(now=START)
    settings = DevicesSettings(trust_anchors=vendor.anchors.items, android_policy=policy or AndroidPolicy())
    status = FixedStatus(settings.anchors)
    status.put(parse_status_list(EMPTY_LIST, fetched_at=START), EMPTY_LIST)
    policies = PolicyInHand(settings.policy)
    authority = LocalAuthority(folder, trust_domain="hallmark.test", now=START)
    config = Config(home=folder, server=ServerConfig(trust_domain="hallmark.test"))
    async with running(folder) as service:
        await ensure_result_keys(service.keys, service.clock)
        parts = make_devices(
            config,
            settings,
            signing=service.signing,
            authority=authority,
            policies=policies,
            collateral=status,
            randomness=service.randomness,
            clock=service.clock,
        )
        servicer = parts.servicer
        phone = VirtualPhone.create(vendor, now=START)
        yield DeviceBench(
            service,
            status,
            vendor,
            phone,
            servicer.devices,
            servicer.reader,
            parts.reappraisal,
            servicer,
            authority,
            policies,
        )
        parts.verifier.close()
