"""A Hallmark server in memory, for tests of programs that use the client."""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final, cast

from google.protobuf.message import Message

from hallmark.v1 import events_pb2, keys_pb2, log_pb2, revocation_pb2
from hallmark_client.client import Client
from hallmark_client.errors import HallmarkError
from hallmark_client.rpc import Request, Response, Rpc
from hallmark_client.system import System
from hallmark_client.testing.aliases import FakeAliases
from hallmark_client.testing.appending import FakeAppending
from hallmark_client.testing.approvals import FakeApprovals
from hallmark_client.testing.artifacts import FakeArtifacts
from hallmark_client.testing.batches import FakeBatches
from hallmark_client.testing.consents import FakeConsents
from hallmark_client.testing.copies import copy_of
from hallmark_client.testing.devices import FakeDevices
from hallmark_client.testing.envelopes import FakeEnvelopes
from hallmark_client.testing.event_stream import EventStream
from hallmark_client.testing.events import FakeEvents
from hallmark_client.testing.faults import Fault, Faults
from hallmark_client.testing.feed import FakeFeed
from hallmark_client.testing.gates import FakeGates
from hallmark_client.testing.handlers import (
    Handlers,
    attestation_handlers,
    basic_handlers,
    key_life_handlers,
    log_handlers,
    people_handlers,
    permission_handlers,
    release_handlers,
)
from hallmark_client.testing.key_life import FakeKeyLife
from hallmark_client.testing.keys import SERVICE_KEYS, FakeKeys
from hallmark_client.testing.log import FakeLog
from hallmark_client.testing.log_entries import FakeEntries
from hallmark_client.testing.log_keys import FakeLogKeys
from hallmark_client.testing.operators import operator_handlers
from hallmark_client.testing.people import Peer, Person
from hallmark_client.testing.refusals import unreachable
from hallmark_client.testing.releases import FakeReleases, Neighbours
from hallmark_client.testing.removals import FakeRemovals
from hallmark_client.testing.replays import Replays
from hallmark_client.testing.roles import Role, check_role
from hallmark_client.testing.running import Running, Watcher
from hallmark_client.testing.signing import FakeSigning
from hallmark_client.testing.state import State
from hallmark_client.testing.transfer import FakeTransfer
from hallmark_client.testing.transport import InMemoryTransport
from hallmark_client.testing.trust import FakeTrust
from hallmark_client.testing.virtual_device import VirtualDevice
from hallmark_composite import CompositePublicKey

_ORIGIN: Final = "fake.hallmark.invalid/log"


class FakeService:
    """The API in memory: real composite signatures, a real Merkle log, really signed revocation events. Without what
    only operators ask: tenants, access policies, audit reports (UNIMPLEMENTED).

        service = FakeService()
        with service.client(role="backend") as client:
            ...                                   # the same Client, the same errors, no network, no HSM

    It asserts what programs rely on (AssertionError means a mistake in the client or in the fake, not an answer): every
    call has a deadline, every act is logged exactly once, the log only grows, a key has one active version, no event
    goes out twice in a stream. Its methods make things go wrong. Thread-safe.
    """

    def __init__(
        self,
        *,
        tenant: str = "default",
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """now, random_bytes: the fake's clock (UTC) and randomness; keys are always made by `cryptography` itself."""
        self._state = State(tenant=tenant, now=now, random_bytes=random_bytes, log=FakeLog(_ORIGIN))
        self._keys = FakeKeys(self._state)
        self._devices = FakeDevices(self._state, self._keys)
        self._events = FakeEvents(self._state, self._keys)
        self._feed = FakeFeed(self._state, self._keys, self._devices, self._events)
        self._removals = FakeRemovals(self._state, self._devices.find)
        self._consents = FakeConsents(self._state, self._devices.find, self._events.sign, self._removals)
        self._trust = FakeTrust(self._state, self._keys)
        self._entries = FakeEntries(self._state)
        self._appending = FakeAppending(self._state)
        self._running = Running()
        self._faults = Faults()
        self._requests: list[tuple[str, Message]] = []
        self._approvals = FakeApprovals(self._state)
        self._people: dict[tuple[str, str], Person] = {}
        self._gates = FakeGates(self._state, self._devices)
        self._artifacts = FakeArtifacts(self._state)
        near = Neighbours(self._keys, self._gates, self._devices, self._artifacts, self._consents, self._removals)
        self._releases = FakeReleases(self._state, near)
        self._replays = Replays(self._state.log)
        signing = FakeSigning(self._state, self._keys, self._gates)
        self._batches = FakeBatches(self._state, self._keys, signing, self._replays.once)
        self._replays.handlers |= self._handlers(signing)

    def _handlers(self, signing: FakeSigning) -> Handlers:
        return {
            **basic_handlers(self._state, self._keys, self._feed, signing, self._batches),
            **log_handlers(self._entries, FakeLogKeys(self._state), self._appending),
            **key_life_handlers(
                FakeKeyLife(self._state, self._keys, self._feed, self._trust, self._approvals),
                FakeAliases(self._state, self._keys),
                self._trust,
            ),
            **permission_handlers(self._state, self._events, self._artifacts, self._consents, self._removals),
            **release_handlers(self._releases),
            **attestation_handlers(self._state, self._keys, self._approvals, self._devices),
            **people_handlers(
                self._approvals,
                FakeEnvelopes(self._state, self._keys, self._approvals, self._gates),
                FakeTransfer(self._state, self._keys, self._approvals),
            ),
            **operator_handlers(),
        }

    def client(
        self,
        *,
        role: Role = "admin",
        name: str | None = None,
        timeout_seconds: float = 10.0,
        system: System | None = None,
    ) -> Client:
        """A Client of this fake, as it would be with the certificate of that role, or of a person in that role."""
        person = self._people.get((role, name or role)) or Person.create(self._state.tenant, role, name or role)
        self._people[role, name or role] = person
        return Client.over(
            InMemoryTransport(self, role, person.peer),
            tenant=self._state.tenant,
            timeout_seconds=timeout_seconds,
            system=system or System(),
            key_pem=person.key_pem,
        )

    def require_approvals(self, number: int) -> None:
        """How many approvals every act needs that can need some; 0 as in a new server."""
        with self._running.condition:
            self._approvals.required = number

    @property
    def origin(self) -> str:
        """Origin of the log."""
        return self._state.log.origin

    @property
    def verifier_keys(self) -> tuple[str, ...]:
        """The log's verifier keys, for `LogPromise.verify`."""
        return self._state.log.verifier_keys

    @property
    def trusted_keys(self) -> Mapping[str, CompositePublicKey]:
        """The service's own keys, for `watch(trusted_keys=...)` and `EnvelopeKey.verify`."""
        versions = [self._keys.version(name, None).name for name in SERVICE_KEYS]
        return {version: self._keys.pair(version).public_key for version in versions}

    @property
    def events(self) -> FakeEvents:
        """Both feeds of EventService: tell something, see what was acknowledged."""
        return self._events

    def wake(self) -> None:
        """Let streams look whether there is something new, or whether they were cancelled."""
        with self._running.condition:
            self._running.condition.notify_all()

    def virtual_device(self, *, bootloader_locked: bool = True) -> VirtualDevice:
        """A phone whose evidence this fake, and nobody else, accepts."""
        return VirtualDevice(self._devices.root, bootloader_locked=bootloader_locked)

    def requests(self, method: str) -> list[Any]:
        """The protobuf requests that arrived for a method such as "Sign", oldest first."""
        with self._running.condition:
            return [request for name, request in self._requests if name == method]

    def refuse(self, method: str, error: HallmarkError | None = None, *, times: int = 1) -> None:
        """Let the next calls of a method fail before anything happens; by default as when nobody listens."""
        with self._running.condition:
            self._faults.add(method, Fault(error or unreachable(), stored=False), times)

    def lose_answer(self, method: str, *, times: int = 1) -> None:
        """Let the next calls of a method take effect, and their answers be lost on the way."""
        with self._running.condition:
            self._faults.add(method, Fault(unreachable(), stored=True), times)

    def change_answer(self, method: str, change: Callable[[Any], None]) -> None:
        """Let something tamper with the next answer (protobuf, changed in place) on its way."""
        with self._running.condition:
            self._faults.add_change(method, change)

    def stop(self) -> None:
        """As when the server is killed: running watches break, calls find nobody, nothing is lost."""
        with self._running.condition:
            self._running.up = False
            self._running.generation += 1
            self._running.condition.notify_all()

    def start(self) -> None:
        """After `stop` or `drain`."""
        with self._running.condition:
            self._running.up = True
            self._running.goodbye_wait_seconds = None

    def drain(self, *, retry_after_seconds: tuple[float, float] = (0.0, 0.1)) -> None:
        """Say goodbye to every watch, with the shortest and longest time after which to come back."""
        with self._running.condition:
            self._running.goodbye_wait_seconds = retry_after_seconds
            self._running.condition.notify_all()

    def replace_history(self) -> None:
        """As after a restored backup: cursors given out so far are refused with CURSOR_EPOCH, or answered with all."""
        with self._running.condition:
            self._feed.replace_history()
            self._events.replace_history()

    def answer(
        self, rpc: Rpc[Request, Response], request: Request, *, role: Role, peer: Peer | None = None
    ) -> Response:
        """One unary call. For transports. Raises HallmarkError."""
        return self._served(rpc, [request], role, peer, lambda: self._replays.once(rpc, request, self._batches.caller))

    def upload(
        self, rpc: Rpc[Request, Response], requests: Sequence[Request], *, role: Role, peer: Peer | None = None
    ) -> Response:
        """One call whose requests streamed, now that all are here. For transports. Raises HallmarkError."""
        parts = cast("Sequence[keys_pb2.SignStreamRequest]", requests)
        return self._served(rpc, requests, role, peer, lambda: self._batches.stream(parts))

    def converse(self, rpc: Rpc[Any, Any], requests: Iterator[Any], *, role: Role, peer: Peer | None) -> Iterator[Any]:
        """An answer for each message of a stream, as it comes. For transports. Raises HallmarkError."""
        for request in requests:
            yield self._served(rpc, [request], role, peer, partial(self._appending.answer, request))

    def stream(
        self, request: Message, *, role: Role, is_cancelled: Callable[[], bool], peer: Peer | None = None
    ) -> Iterator[Message]:
        """The messages of one stream. For transports; after cancelling, call `wake`. Raises HallmarkError."""
        method = type(request).__name__.removesuffix("Request")
        with self._running.condition:
            self._running.check_up()
            self._requests.append((method, copy_of(request)))
            check_role(method, role)
            if (fault := self._faults.take(method)) is not None:
                raise fault.error
        for message in self._messages(request, role if peer is None else peer.spiffe_id, is_cancelled):
            self._faults.change(method, message)
            yield message

    def _messages(self, request: Message, caller: str, is_cancelled: Callable[[], bool]) -> Iterator[Message]:
        if isinstance(request, events_pb2.WatchEventsRequest):
            return EventStream(self._running, self._events, request, is_cancelled).frames(caller)
        if isinstance(request, log_pb2.StreamEntriesRequest):
            return self._entries.stream(self._running, request, is_cancelled)
        assert isinstance(request, revocation_pb2.WatchRevocationsRequest), "this is no stream"
        self._state.check_parent(request.parent)
        return Watcher(self._running, self._feed, request, is_cancelled).frames()

    def _served(
        self,
        rpc: Rpc[Request, Response],
        requests: Sequence[Request],
        role: Role,
        peer: Peer | None,
        answer: Callable[[], Message],
    ) -> Response:
        """What a test made go wrong, goes wrong here."""
        with self._running.condition:
            self._running.check_up()
            self._requests += [(rpc.name, copy_of(request)) for request in requests]
            check_role(rpc.name, role)
            fault = self._faults.take(rpc.name)
            if fault is not None and not fault.stored:
                raise fault.error
            self._approvals.peer = peer
            caller = role if peer is None else peer.spiffe_id
            self._trust.client = self._batches.caller = self._gates.caller = self._appending.caller = caller
            self._events.caller = self._consents.caller = self._releases.caller = caller
            response = answer()
            if fault is not None:
                raise fault.error
            self._faults.change(rpc.name, response)
            self._running.condition.notify_all()
            assert isinstance(response, rpc.response)
            return response
