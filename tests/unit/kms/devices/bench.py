"""Devices on the bench of the revocations: the whole service below gRPC, and virtual phones to attest."""

import contextlib
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from attestation.model import Evidence
from attestation.policy import AndroidPolicy
from attestation.status import StatusList
from attestation.testing import DeviceKey, VirtualPhone, VirtualVendor, status_list
from hallmark.v1 import devices_pb2
from kms.devices.rpc import DeviceServicer
from kms.devices.service import DeviceService
from kms.devices.settings import DevicesSettings
from kms.devices.verification import Verifier
from support.clock import START
from unit.kms.revocation.bench import TENANT, Bench, running

ANDROID = devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY


class FixedStatus:
    """A StatusSource that says what the test put in."""

    def __init__(self) -> None:
        self.list: StatusList | None = status_list({}, fetched_at=START)

    def current(self) -> StatusList | None:
        return self.list


@dataclass(frozen=True)
class DeviceBench:
    service: Bench
    status: FixedStatus
    vendor: VirtualVendor
    phone: VirtualPhone
    devices: DeviceService
    servicer: DeviceServicer

    async def challenge(self, *, request_id: str | None = None, **who: Any) -> devices_pb2.Challenge:
        request = devices_pb2.CreateChallengeRequest(
            parent=f"tenants/{who.get('tenant', TENANT)}", request_id=request_id or str(uuid.uuid4())
        )
        return await self.servicer.CreateChallenge(request, self.service.call("CreateChallenge", **who))

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
    vendor, status = VirtualVendor.create(now=START), FixedStatus()
    settings = DevicesSettings(trust_anchors=vendor.anchors.items, android_policy=policy or AndroidPolicy())
    verifier = Verifier(anchors=settings.anchors, policy=settings.policy, status=status)
    async with running(folder) as service:
        devices = DeviceService(
            database=service.database,
            verifier=verifier,
            log=service.log,
            randomness=service.randomness,
            challenge_lifetime=timedelta(seconds=settings.challenge_lifetime_seconds),
        )
        phone = VirtualPhone.create(vendor, now=START)
        yield DeviceBench(service, status, vendor, phone, devices, DeviceServicer(devices))
    verifier.close()
