"""The calls of a soak: signatures, verifications, attestations, and now and then a revocation that streams hear of."""

import asyncio
import collections
import contextlib
import hashlib
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
import grpc.aio
from google_crc32c import value as crc32c

from attestation.testing import VirtualPhone
from hallmark.v1 import (
    devices_pb2,
    devices_pb2_grpc,
    keys_pb2,
    keys_pb2_grpc,
    revocation_pb2,
    revocation_pb2_grpc,
)
from hallmark_client.system import System

_TIMEOUT_SECONDS: Final = 30.0
_REMEMBERED: Final = 256
_STREAM_LIFE_SECONDS: Final = 60.0
"""A watch is opened again this often: connections that come and go are part of a service's life."""
_SHARES: Final = ("sign", "verify", "sign", "sign", "verify", "sign", "attest", "sign", "verify", "sign")
"""Of ten calls."""

_Signed = tuple[str, bytes, bytes]
"""Name of the key version, digest, signature."""


@dataclass(slots=True)
class Mix:
    """`channels`: those of a backend; `admin`: of an admin. Calls go over the channels in turn."""

    parent: str
    key_name: str
    phone: VirtualPhone
    channels: list[Any]
    admin: Any
    _turns: "itertools.count[int]" = field(default_factory=itertools.count)
    _signed: "collections.deque[_Signed]" = field(default_factory=lambda: collections.deque(maxlen=_REMEMBERED))
    _devices: "collections.deque[str]" = field(default_factory=lambda: collections.deque(maxlen=_REMEMBERED))
    _new_id: Callable[[], str] = field(default_factory=lambda: System().request_id)

    async def next_call(self) -> None:
        """The next of the mix. Raises AioRpcError, and AssertionError for an answer that is none."""
        turn = next(self._turns)
        call: Callable[[Any, int], Awaitable[None]] = getattr(self, f"_{_SHARES[turn % len(_SHARES)]}")
        await call(self.channels[turn % len(self.channels)], turn)

    async def revoke_a_device(self) -> str | None:
        """The name of the event; None while no device was attested."""
        if not self._devices:
            return None
        request = revocation_pb2.RevokeRequest(
            subject=self._devices.popleft(),
            reason=revocation_pb2.REVOCATION_REASON_DEVICE_LOST,
            request_id=self._new_id(),
        )
        service = revocation_pb2_grpc.RevocationServiceStub(self.admin)  # type: ignore[no-untyped-call]
        answer = await service.Revoke(request, timeout=_TIMEOUT_SECONDS)
        return str(answer.event.name)

    async def _sign(self, channel: Any, turn: int) -> None:
        digest = hashlib.sha512(b"soak %d" % turn).digest()
        request = keys_pb2.SignRequest(
            name=self.key_name, digest=digest, input_crc32c=crc32c(digest), request_id=self._new_id()
        )
        service = keys_pb2_grpc.SigningServiceStub(channel)  # type: ignore[no-untyped-call]
        answer = await service.Sign(request, timeout=_TIMEOUT_SECONDS)
        self._signed.append((answer.key_version, digest, answer.signature))

    async def _verify(self, channel: Any, turn: int) -> None:
        if not self._signed:
            return await self._sign(channel, turn)
        name, digest, signature = self._signed[turn % len(self._signed)]
        service = keys_pb2_grpc.SigningServiceStub(channel)  # type: ignore[no-untyped-call]
        request = keys_pb2.VerifyRequest(name=name, digest=digest, signature=signature)
        answer = await service.Verify(request, timeout=_TIMEOUT_SECONDS)
        assert answer.key_version == name
        return None

    async def _attest(self, channel: Any, turn: int) -> None:  # noqa: ARG002
        service = devices_pb2_grpc.DeviceServiceStub(channel)  # type: ignore[no-untyped-call]
        asked = devices_pb2.CreateChallengeRequest(parent=self.parent, request_id=self._new_id())
        challenge = await service.CreateChallenge(asked, timeout=_TIMEOUT_SECONDS)
        made = self.phone.generate_key(challenge.challenge)
        evidence = devices_pb2.Evidence(
            format=devices_pb2.EVIDENCE_FORMAT_ANDROID_KEY, certificates=made.evidence.named("certificate")
        )
        request = devices_pb2.AttestDeviceRequest(
            challenge=challenge.name, evidence=evidence, key_spki=made.spki, request_id=self._new_id()
        )
        answer = await service.AttestDevice(request, timeout=_TIMEOUT_SECONDS)
        assert answer.verdict.appraised, list(answer.verdict.reasons)
        self._devices.append(answer.device.name)


@dataclass(slots=True)
class Watching:
    """One back office that watches. `heard`: names of the revocations that came, over all its streams."""

    open_channel: Callable[[], Any]
    parent: str
    heard: set[str] = field(default_factory=set)
    failures: "collections.Counter[str]" = field(default_factory=collections.Counter)
    _cursor: str = ""

    async def watch(self) -> None:
        """Until cancelled."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STREAM_LIFE_SECONDS), self.open_channel() as channel:
                    await self._follow(channel)

    async def _follow(self, channel: Any) -> None:
        service = revocation_pb2_grpc.RevocationServiceStub(channel)  # type: ignore[no-untyped-call]
        request = revocation_pb2.WatchRevocationsRequest(parent=self.parent, cursor=self._cursor)
        request.heartbeat_interval.FromSeconds(5)
        try:
            async for response in service.WatchRevocations(request):
                if response.WhichOneof("frame") == "event":
                    self.heard.add(response.event.name)
                self._cursor = response.cursor or self._cursor
        except grpc.aio.AioRpcError as error:
            self.failures[error.code().name] += 1
            await asyncio.sleep(0.5)
