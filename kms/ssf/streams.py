"""What receivers do with their stream over HTTP (SSF 1.0, section 8.1): configure, stop, filter, verify."""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

from sqlalchemy.engine import Connection

from kms.core.canonical import Json
from kms.core.database import Database
from kms.core.ids import new_id
from kms.ssf import bodies, queue_store, receiver_store, stream_store
from kms.ssf.bodies import Members
from kms.ssf.configuration import check_transmitters, shown, wishes_of
from kms.ssf.errors import RequestInvalid, StreamExists, StreamNotFound, SubjectsFull, TokenMissing, TooSoon
from kms.ssf.model import (
    REASON_CHARACTERS_MAX,
    REMOVED_SUBJECTS_MAX,
    Kind,
    Receiver,
    SsfSettings,
    Stream,
    StreamStatus,
    Wishes,
)
from kms.ssf.sets import SetMaker
from kms.ssf.stopping import tell
from kms.ssf.subjects import subject_argument

_ACTIVITY_GRAIN: Final = timedelta(minutes=1)
"""Activity is noted this exactly, so that a receiver who only looks costs no write each time."""
_STATE_CHARACTERS_MAX: Final = 1024
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamService:
    """Every call names its receiver, who was authenticated. Raises SsfRefusal."""

    database: Database
    settings: SsfSettings
    maker: SetMaker

    async def create(self, receiver: Receiver, members: Members, now: datetime) -> dict[str, Json]:
        """Begins with what happens from now on; enabled. Raises StreamExists."""
        wishes = wishes_of(members, self.settings.networks)

        def act(tx: Connection) -> Stream:
            if receiver_store.lock_receiver(tx, receiver.name) is None:
                raise TokenMissing
            if stream_store.find_stream(tx, receiver.name) is not None:
                raise StreamExists("this receiver has a stream; change it with PATCH or PUT, or delete it")
            stream_id = new_id(now, self.maker.randomness)
            stream = _fresh(stream_id, receiver, wishes, queue_store.begin_position(tx, receiver.name.tenant), now)
            stream_store.insert_stream(tx, stream)
            return stream

        return shown(await self.database.write(act), receiver, self.settings)

    async def list(self, receiver: Receiver) -> list[Json]:
        """One, or none."""
        stream = await self.database.read(lambda tx: stream_store.find_stream(tx, receiver.name))
        return [] if stream is None else [shown(stream, receiver, self.settings)]

    async def get(self, receiver: Receiver, stream_id: str, now: datetime) -> dict[str, Json]:
        return shown(await self.look(receiver, stream_id, now), receiver, self.settings)

    async def change(self, receiver: Receiver, members: Members, now: datetime, *, whole: bool) -> dict[str, Json]:
        """whole: what is not named goes back to its default (PUT); otherwise it stays (PATCH)."""

        def act(tx: Connection, stream: Stream) -> dict[str, Json]:
            check_transmitters(members, shown(stream, receiver, self.settings))
            wishes = wishes_of(members, self.settings.networks, None if whole else stream.wishes)
            stream_store.set_wishes(tx, stream.id, wishes)
            if wishes.delivery != stream.wishes.delivery:
                stream_store.update_stream(tx, stream.id, failures=0, next_attempt_time=now)
            return shown(replace(stream, wishes=wishes), receiver, self.settings)

        return await self._locked(receiver, bodies.stream_id(members), now, act)

    async def delete(self, receiver: Receiver, stream_id: str, now: datetime) -> None:
        await self._locked(receiver, stream_id, now, lambda tx, stream: stream_store.delete_stream(tx, stream.id))

    async def status(self, receiver: Receiver, stream_id: str, now: datetime) -> dict[str, Json]:
        stream = await self.look(receiver, stream_id, now)
        return _status(stream.id, stream.status, stream.reason)

    async def set_status(self, receiver: Receiver, members: Members, now: datetime) -> dict[str, Json]:
        """The receiver's own wish: it hears of it here and not over the stream."""
        wanted = bodies.text(members, "status", most=16)
        if wanted not in set(StreamStatus):
            raise RequestInvalid(f"status is one of {', '.join(StreamStatus)}")
        status = StreamStatus(wanted)
        reason = bodies.text(members, "reason", most=REASON_CHARACTERS_MAX) or ""

        def act(tx: Connection, stream: Stream) -> dict[str, Json]:
            self._change_status(tx, stream, status, reason, now)
            return _status(stream.id, status, reason)

        return await self._locked(receiver, bodies.stream_id(members), now, act)

    async def remove_subject(self, receiver: Receiver, members: Members, now: datetime) -> None:
        """Raises SubjectsFull."""
        subject = subject_argument(members.get("subject"))

        def act(tx: Connection, stream: Stream) -> None:
            if len(stream_store.removed_subjects(tx, stream.id)) >= REMOVED_SUBJECTS_MAX:
                raise SubjectsFull(f"{REMOVED_SUBJECTS_MAX} subjects were removed from this stream; add some again")
            stream_store.remove_subject(tx, stream.id, subject)

        await self._locked(receiver, bodies.stream_id(members), now, act)

    async def add_subject(self, receiver: Receiver, members: Members, now: datetime) -> None:
        """A subject that was not removed is in the stream already (default_subjects is ALL)."""
        subject = subject_argument(members.get("subject"))
        if not isinstance(members.get("verified", True), bool):
            raise RequestInvalid("verified is true or false")
        await self._locked(
            receiver,
            bodies.stream_id(members),
            now,
            lambda tx, stream: stream_store.add_subject(tx, stream.id, subject),
        )

    async def verify(self, receiver: Receiver, members: Members, now: datetime) -> None:
        """Raises TooSoon, and RequestInvalid for a stream that delivers nothing."""
        state = bodies.text(members, "state", most=_STATE_CHARACTERS_MAX)

        def act(tx: Connection, stream: Stream) -> None:
            if stream.status is StreamStatus.DISABLED:
                raise RequestInvalid("the stream is disabled; enable or pause it first")
            if stream.verify_time is not None:
                left = stream.verify_time + self.settings.min_verification_interval - now
                if left > timedelta(0):
                    raise TooSoon(math.ceil(left.total_seconds()))
            stream_store.update_stream(tx, stream.id, verify_time=now)
            made = self.maker.of_verification(stream.id, state, receiver.audience, now)
            queue_store.enqueue(tx, stream.id, Kind.VERIFICATION, [made])

        await self._locked(receiver, bodies.stream_id(members), now, act)

    async def look(self, receiver: Receiver, stream_id: str, now: datetime) -> Stream:
        """Reads, and counts as activity."""
        stream = await self.database.read(lambda tx: stream_store.find_stream(tx, receiver.name))
        if stream is None or stream.id != stream_id:
            raise StreamNotFound
        if now - stream.activity_time >= _ACTIVITY_GRAIN:
            await self._locked(receiver, stream_id, now, lambda _tx, _stream: None)
        return stream

    async def _locked(
        self, receiver: Receiver, stream_id: str, now: datetime, act: Callable[[Connection, Stream], T]
    ) -> T:
        def commit(tx: Connection) -> T:
            stream = stream_store.lock_stream(tx, receiver.name, stream_id)
            if stream is None:
                raise StreamNotFound
            stream_store.update_stream(tx, stream.id, activity_time=now)
            return act(tx, stream)

        return await self.database.write(commit)

    def _change_status(self, tx: Connection, stream: Stream, status: StreamStatus, reason: str, now: datetime) -> None:
        values: dict[str, Any] = {"status": status.value, "reason": reason, "failures": 0, "next_attempt_time": now}
        queue_store.clear(tx, stream.id, Kind.STREAM_UPDATED)
        match stream.status, status:
            case StreamStatus.DISABLED, StreamStatus.ENABLED | StreamStatus.PAUSED:
                values["starts_after"] = queue_store.begin_position(tx, stream.receiver.tenant)
            case _, StreamStatus.DISABLED:
                queue_store.clear(tx, stream.id)
                values["dropped"] = 0
            case StreamStatus.PAUSED, StreamStatus.ENABLED if stream.dropped:
                lost = (
                    f"{stream.dropped} events were given up while too many waited: read the state of what you rely on"
                )
                tell(tx, stream, status, lost, self.maker, now)
                values["dropped"] = 0
        stream_store.update_stream(tx, stream.id, **values)


def _fresh(stream_id: str, receiver: Receiver, wishes: Wishes, starts_after: int, now: datetime) -> Stream:
    return Stream(
        id=stream_id,
        receiver=receiver.name,
        wishes=wishes,
        status=StreamStatus.ENABLED,
        reason="",
        starts_after=starts_after,
        dropped=0,
        refused=0,
        last_error="",
        failures=0,
        activity_time=now,
        verify_time=None,
        last_delivery_time=None,
    )


def _status(stream_id: str, status: StreamStatus, reason: str) -> dict[str, Json]:
    return {"stream_id": stream_id, "status": status.value, **({"reason": reason} if reason else {})}
