"""Counts calls while they happen, in memory only: a few dictionary look-ups each. `take` hands over what was counted
since the last time (kms.audit.flushing).

A connection is known by its peer address with the port, its group and its certificate. Its id is a MAC over them with a
key of this process, so that it may be forgotten while it is idle: when it calls again it has the same id, and its row
goes on. Ten thousand idle streams cost nothing here.
"""

from dataclasses import dataclass, field
from datetime import datetime
from hashlib import blake2b
from typing import Final, NamedTuple

from kms.audit import naming
from kms.audit.certificates import read_certificate
from kms.audit.model import CertificateFacts, SeenKind, Session, hour_of
from kms.core.call import Call
from kms.core.identity import Caller, Role
from kms.core.randomness import Randomness

CONNECTIONS_MAX: Final = 20_000
"""That called since the last flush. Calls over more are not counted; how many these were, is."""
KINDS_MAX: Final = 20_000
"""Kinds of calls between two flushes; the same holds of more."""
KINDS_PER_CONNECTION: Final = 200
"""Of more, resources are not told apart: who makes names up fills no table."""
_ID_BYTES: Final = 8


class Origin(NamedTuple):
    """What all calls over a connection share."""

    tenant: str
    caller: str
    network: str
    tls_group: str


@dataclass(slots=True)
class Connection:
    """Over which a call came since the last flush; the counts are since then."""

    id: str
    certificate: CertificateFacts
    origin: Origin
    first: Call
    last_time: datetime
    calls: int = 0
    refused: int = 0
    bytes: int = 0
    kinds: int = 0

    def session(self) -> Session:
        caller, channel = self.first.caller, self.first.channel
        return Session(
            id=self.id,
            tenant=caller.tenant,
            caller=caller.spiffe_id,
            authentication=caller.authentication,
            tls_version=channel.tls_version,
            tls_group=channel.group,
            certificate=self.certificate,
            start_time=self.first.now,
            last_time=self.last_time,
            calls=self.calls,
            refused=self.refused,
            bytes=self.bytes,
        )


@dataclass(slots=True)
class _Tally:
    count: int
    last_time: datetime


class SeenRow(NamedTuple):
    """A kind of call in one hour."""

    kind: SeenKind
    hour: datetime
    calls: int
    last_time: datetime


@dataclass(frozen=True, slots=True)
class Batch:
    """What was counted since the last one. `dropped`: calls that were not."""

    sessions: list[Session] = field(default_factory=list)
    seen: list[SeenRow] = field(default_factory=list)
    dropped: int = 0


class Recorder:
    """Of one server process, used by its event loop only. Nothing here raises, waits or asks a database."""

    def __init__(self, randomness: Randomness, *, full_addresses: bool = False) -> None:
        self._key = randomness.bytes(32)
        self._full_addresses = full_addresses
        self._ids: dict[tuple[str, str, str, int], str] = {}
        self._connections: dict[str, Connection] = {}
        self._seen: dict[tuple[Origin, str, str, bool], _Tally] = {}
        self._dropped = 0

    def admitted(self, call: Call, certificate: bytes) -> tuple[str, CertificateFacts]:
        """A call begins; gives its session, and what its certificate rests on. `certificate`: the client's, PEM, as TLS
        verified it; empty where it has none.
        """
        known_by = (call.channel.peer, call.channel.group, call.caller.spiffe_id, hash(certificate))
        known = self._connections.get(self._ids.get(known_by, ""))
        if known is None:
            session, facts = self._session_id(call, certificate), read_certificate(certificate)
            known = self._begin(call, session, facts)
            if known is None:
                return session, facts
            self._ids[known_by] = session
        known.calls += 1
        known.last_time = call.now
        return known.id, known.certificate

    def finished(
        self,
        call: Call,
        session: str,
        certificate: CertificateFacts,
        asked: tuple[str, ...],
        *,
        now: datetime,
        moved: int,
        refused: bool,
        allowed: bool,
    ) -> None:
        """A call ends. `moved`: bytes of messages, both ways. `asked`: the names it gave. `allowed`: it was let in."""
        known = self._connections.get(session) or self._begin(call, session, certificate)
        if known is None:
            self._dropped += 1
            return
        known.bytes += moved
        known.refused += refused
        known.last_time = now
        for resource in naming.kinds(asked, call.caller.tenant):
            self._count(known, call.method, resource, now, allowed=allowed)

    def take(self) -> Batch:
        """What was counted; counting goes on from nothing."""
        connections, seen, dropped = self._connections, self._seen, self._dropped
        self._ids, self._connections, self._seen, self._dropped = {}, {}, {}, 0
        return Batch(
            sorted((each.session() for each in connections.values()), key=lambda session: session.id),
            sorted(_seen_row(key, tally) for key, tally in seen.items()),
            dropped,
        )

    def _session_id(self, call: Call, certificate: bytes) -> str:
        identity = f"{call.channel.peer}\n{call.channel.group}\n{call.caller.spiffe_id}\n".encode() + certificate
        return blake2b(identity, digest_size=_ID_BYTES, key=self._key).hexdigest()

    def _begin(self, call: Call, session: str, certificate: CertificateFacts) -> Connection | None:
        """Also for a long stream that ends: its connection was idle since the last flush."""
        if len(self._connections) >= CONNECTIONS_MAX:
            return None
        caller, channel = call.caller, call.channel
        network = naming.network(channel.peer, full=self._full_addresses)
        origin = Origin(caller.tenant, _counted_caller(caller), network, channel.group)
        known = self._connections[session] = Connection(session, certificate, origin, call, call.now)
        return known

    def _count(self, known: Connection, method: str, resource: str, now: datetime, *, allowed: bool) -> None:
        key = (known.origin, method, resource, allowed)
        tally = self._seen.get(key)
        if tally is None and known.kinds >= KINDS_PER_CONNECTION:
            key = (known.origin, method, naming.collection(resource), allowed)
            tally = self._seen.get(key)
        if tally is None:
            if len(self._seen) >= KINDS_MAX:
                self._dropped += 1
                return
            known.kinds += 1
            tally = self._seen[key] = _Tally(0, now)
        tally.count += 1
        tally.last_time = now


def _counted_caller(caller: Caller) -> str:
    """A device stands as one among all of its tenant."""
    if caller.role is not Role.DEVICE:
        return caller.spiffe_id
    return f"{caller.spiffe_id.rpartition('/')[0]}/{naming.ANY}"


def _seen_row(key: tuple[Origin, str, str, bool], tally: _Tally) -> SeenRow:
    (tenant, caller, network, group), method, resource, allowed = key
    service, _, name = method.rpartition("/")
    action = f"{service.rpartition('.')[2]}.{name}"
    kind = SeenKind(tenant, caller, action, resource, network, group, allowed)
    return SeenRow(kind, hour_of(tally.last_time), tally.count, tally.last_time)
