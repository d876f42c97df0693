"""The transmitter over a real database and log, keys in memory, a clock that stands; called without a socket."""

import contextlib
import functools
import json
import ssl
import uuid
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

from uvicorn._types import ASGI3Application

from kms.core.database import Database
from kms.core.idempotency import RequestKey
from kms.core.identity import Caller, Role
from kms.devices.results import CLASSICAL_ALGORITHM
from kms.events import store as event_store
from kms.events.appending import event_of
from kms.events.model import EVENT_CONTEXT, Draft, Event, InitiatingEntity, SignedEvent, Status
from kms.events.payload import event_payload
from kms.keys.model import ServiceSignature
from kms.keys.service import KeyService
from kms.keys.signing import SigningService
from kms.log.model import LogPromise
from kms.ssf.asgi import ssf_app
from kms.ssf.endpoints import TransmitterEndpoints
from kms.ssf.feeder import Feeder
from kms.ssf.model import EVENTS_SUPPORTED, SIGNING_KEY_ID, ReceiverName, SsfSettings
from kms.ssf.polling import PollService
from kms.ssf.push import Pusher
from kms.ssf.push_http import PushClient
from kms.ssf.service import Created, ReceiverService
from kms.ssf.sets import SetMaker, SetSigner
from kms.ssf.streams import StreamService
from support.clock import FakeClock
from support.keys_world import KeysWorld, keys_world
from support.randomness import SeededRandomness

ISSUER = "https://signals.example.com"
AUDIENCE = "https://mdm.example.com/"
TENANT = "default"
CREDENTIAL_CHANGE = EVENTS_SUPPORTED[0]
POLL = "urn:ietf:rfc:8936"
PUSH = "urn:ietf:rfc:8935"


def admin(tenant: str = TENANT) -> Caller:
    return Caller(f"spiffe://hallmark.test/tenants/{tenant}/admin/alice", tenant, Role.ADMIN, "alice")


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: Mapping[str, str]
    content: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.content)


@dataclass
class SsfBench:
    database: Database
    clock: FakeClock
    randomness: SeededRandomness
    keys: KeyService
    signing: SigningService
    settings: SsfSettings
    receivers: ReceiverService
    polling: PollService
    feeder: Feeder
    pusher: Pusher
    app: ASGI3Application
    _revisions: dict[str, int] = field(default_factory=dict)

    async def receiver(self, name: str = "mdm", *, tenant: str = TENANT, request_id: str | None = None) -> Created:
        request = RequestKey.of(admin(tenant), request_id or str(uuid.uuid4()), "CreateSsfReceiver", name.encode())
        return await self.receivers.create(ReceiverName(tenant, name), AUDIENCE, request=request, now=self.clock.now())

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        token: str | None = None,
        headers: tuple[tuple[bytes, bytes], ...] = (),
    ) -> HttpAnswer:
        """Body: bytes as they are, anything else as JSON."""
        content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        authorization = ((b"authorization", b"Bearer " + token.encode()),) if token is not None else ()
        path, _, query = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "query_string": query.encode(),
            "headers": [*authorization, *headers],
        }
        sent: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": content, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self.app(scope, receive, send)  # type: ignore[arg-type]
        lines = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return HttpAnswer(sent[0]["status"], lines, b"".join(message["body"] for message in sent[1:]))

    async def stream(self, token: str, **fields: object) -> str:
        """Its id. Asks for everything unless told otherwise."""
        body = {"events_requested": list(EVENTS_SUPPORTED), **fields}
        answer = await self.call("POST", "/ssf/stream", body, token=token)
        assert answer.status == 201, answer.content
        return str(answer.json["stream_id"])

    async def poll(self, token: str, stream: str, **fields: object) -> Any:
        body = {"returnImmediately": True, **fields}
        answer = await self.call("POST", f"/ssf/poll/{stream}", body, token=token)
        assert answer.status == 200, answer.content
        return answer.json

    async def happen(self, subject: str = "devices/1", *, tenant: str = TENANT, **draft: Any) -> Event:
        """An event in the tenant's outbox, as an act of the service puts it there."""
        now, name = self.clock.now(), f"tenants/{tenant}/{subject}"
        revision = self._revisions[name] = self._revisions.get(name, 0) + 1
        fields = {
            "id": str(uuid.uuid4()),
            "tenant": tenant,
            "uri": CREDENTIAL_CHANGE,
            "subject": name,
            "revision": revision,
            "status": Status.SUSPENDED,
            "event_time": now,
            "effective_time": now,
            "initiating_entity": InitiatingEntity.ADMIN,
            "members": {"credential_type": "device-key", "change_type": "revoke"},
            "transaction_id": f"call-{revision}",
        }
        made = Draft(**{**fields, **draft})
        payload = event_payload(made, issuer="spiffe://hallmark.test/server")
        signature = ServiceSignature(
            key_version="tenants/system/keys/revocation-events/versions/1",
            signature=b"composite",
            context=EVENT_CONTEXT,
            sign_time=now,
        )
        promise = LogPromise(event_key=made.id, leaf_hash=bytes(32), entry=b"{}")
        event = event_of(SignedEvent(made, payload, signature), promise)
        await self.database.write(lambda tx: self.place(tx, event, insert=True))
        return event

    def place(self, tx: Any, event: Event, *, insert: bool = False) -> None:
        epoch = event_store.lock_feeds(tx, event.tenant, b"e" * 16)
        if insert:
            event_store.insert_events(tx, [event])
        event_store.place(tx, event.tenant, [event_store.Placing(event, ["revocations"])], epoch=epoch)

    async def feed(self) -> None:
        while await self.feeder.step():
            pass


@contextlib.asynccontextmanager
async def ssf_running(folder: Path, *, queue_max: int = 1000, **settings: Any) -> AsyncIterator[SsfBench]:
    async with keys_world(folder) as world:
        yield await make_bench(world, queue_max=queue_max, **settings)


@functools.cache
def _system_roots() -> ssl.SSLContext:
    """Reading them takes as long as most tests."""
    return ssl.create_default_context()


async def make_bench(
    world: KeysWorld,
    *,
    seed: int = 5,
    queue_max: int = 1000,
    tls: ssl.SSLContext | None = None,
    database: Database | None = None,
    **changes: Any,
) -> SsfBench:
    """Another one over the same world is another replica. `database`: the world's own, perhaps behind a fault."""
    clock, database, randomness = world.world.clock, database or world.world.database, SeededRandomness(seed)
    await world.keys.ensure_service_key(SIGNING_KEY_ID, clock.now(), algorithm=CLASSICAL_ALGORITHM)
    loopback = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    fields = {"issuer": ISSUER, "networks": loopback, "push_interval": timedelta(0), **changes}
    settings = SsfSettings(**fields)
    maker, signer = SetMaker(ISSUER, randomness), SetSigner(world.signing)
    streams = StreamService(database=database, settings=settings, maker=maker)
    polling = PollService(database=database, streams=streams, signer=signer, clock=clock)
    client = PushClient(networks=settings.networks, tls=tls or _system_roots(), exchange_seconds=2)
    return SsfBench(
        database=database,
        clock=clock,
        randomness=randomness,
        keys=world.keys,
        signing=world.signing,
        settings=settings,
        receivers=ReceiverService(database=database, log=world.world.log, randomness=randomness),
        polling=polling,
        feeder=Feeder(database=database, settings=settings, maker=maker, clock=clock, queue_max=queue_max),
        pusher=Pusher(
            database=database,
            settings=settings,
            maker=maker,
            signer=signer,
            client=client,
            clock=clock,
            randomness=randomness,
        ),
        app=ssf_app(TransmitterEndpoints(database=database, streams=streams, polling=polling, clock=clock)),
    )
