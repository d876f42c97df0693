import itertools
import threading
from collections.abc import Iterator

import grpc
import pytest

from hallmark_client import (
    Bookmark,
    CursorInvalid,
    Event,
    Frame,
    Goodbye,
    Internal,
    PermissionDenied,
    SignatureInvalid,
    VerificationFailed,
)
from hallmark_client.revocation_watch import Watch
from hallmark_client.testing import refusal


def take(frames: Iterator[Frame], count: int) -> list[Frame]:
    return list(itertools.islice(frames, count))


def subjects(frames: list[Frame]) -> list[str]:
    return [frame.event.subject.rpartition("/")[2] for frame in frames if isinstance(frame, Event)]


@pytest.fixture
def revoke(client):
    def revoke(name: str) -> None:
        client.keys.create(name)
        client.revocations.revoke(name, "KEY_COMPROMISE")

    return revoke


def test_a_watch_outlives_the_server(fake, connect, clock, revoke) -> None:
    """The waits are the promised ones: 0.2 s, then ceilings of 1, 2 and 4 s; the jitter here is always the longest."""
    revoke("one")
    watch = connect(system=clock.system(jitter=1.0)).revocations.watch()
    assert subjects(take(watch, 2)) == ["one"]

    def come_back_after_six_seconds() -> None:
        if sum(clock.slept) > 6 and clock.slept.count(0) == 0:
            clock.slept.append(0)
            fake.start()
            revoke("two")

    clock.on_sleep = come_back_after_six_seconds
    fake.stop()
    assert subjects(take(watch, 1)) == ["two"]
    assert round(sum(clock.slept), 1) == 7.2
    assert len(fake.requests("WatchRevocations")) == 2


def test_waits_have_a_ceiling_of_a_minute(fake, connect, clock) -> None:
    stop = threading.Event()
    fake.stop()
    clock.on_sleep = lambda: stop.set() if sum(clock.slept) > 1000 else None
    list(connect(system=clock.system(jitter=1.0)).revocations.watch(stop=stop))
    waits = [0.2, 1, 2, 4, 8, 16, 32, *[60] * 15]
    assert sum(waits) - 60 < sum(clock.slept) < sum(waits) + 60
    # Slices of a tenth of a second: `stop` never waits longer.
    assert max(clock.slept) <= 0.1


def test_a_server_that_keeps_crashing_is_not_hammered(fake, connect, clock, revoke) -> None:
    revoke("one")
    watch = connect(system=clock.system(jitter=1.0)).revocations.watch()
    take(watch, 2)
    for expected in (0.2, 1.0, 2.0, 4.0):
        before = sum(clock.slept)
        fake.stop()
        fake.start()
        revoke(f"next-{round(expected * 10)}")
        take(watch, 2)
        assert round(sum(clock.slept) - before, 1) == expected


@pytest.mark.parametrize(
    "loss",
    [
        refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "bye"),
        refusal(grpc.StatusCode.CANCELLED, "CANCELLED", "burst"),
        refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "slow", retry_after_seconds=0.7),
        refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "an hour is over"),
    ],
    ids=lambda error: error.reason,
)
def test_what_gets_better_is_tried_again_quietly(fake, connect, clock, revoke, loss) -> None:
    revoke("one")
    fake.refuse("WatchRevocations", loss)
    assert subjects(take(connect(system=clock.system()).revocations.watch(), 2)) == ["one"]
    assert len(fake.requests("WatchRevocations")) == 2
    assert sum(clock.slept) >= (loss.retry_after_seconds or 0.05) - 1e-9


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (refusal(grpc.StatusCode.PERMISSION_DENIED, "ROLE_NOT_ALLOWED", "no"), PermissionDenied),
        (refusal(grpc.StatusCode.OUT_OF_RANGE, "CURSOR_EPOCH", "replaced"), CursorInvalid),
    ],
)
def test_what_does_not_get_better_is_raised(fake, connect, clock, error, kind) -> None:
    fake.refuse("WatchRevocations", error)
    with pytest.raises(kind):
        next(connect(system=clock.system()).revocations.watch())
    assert not clock.slept


def test_a_replaced_history_is_told(fake, client, revoke) -> None:
    revoke("one")
    cursor = client.revocations.snapshot().cursor
    fake.replace_history()
    with pytest.raises(CursorInvalid) as refused:
        next(client.revocations.watch(cursor=cursor))
    assert refused.value.reason == "CURSOR_EPOCH"
    assert subjects(take(client.revocations.watch(cursor=client.revocations.snapshot().cursor), 1)) == []


def test_a_resume_begins_where_the_last_frame_was(fake, connect, clock, revoke) -> None:
    revoke("one")
    revoke("two")
    watch = connect(system=clock.system()).revocations.watch()
    first = next(watch)
    threading.Timer(0.05, fake.stop).start()
    threading.Timer(0.1, fake.start).start()
    rest = take(watch, 2)
    assert subjects([first, *rest]) == ["one", "two"]
    assert len({frame.cursor for frame in rest}) == 1


def test_an_event_that_comes_again_is_not_yielded_again(fake, connect, clock, revoke) -> None:
    """A server whose cursors lag behind what it sent, as after a crash before its commit."""
    revoke("one")
    revoke("two")

    def lag(frame) -> None:
        frame.cursor = ""

    for _ in range(3):
        fake.change_answer("WatchRevocations", lag)
    watch = connect(system=clock.system()).revocations.watch()
    assert subjects(take(watch, 3)) == ["one", "two"]
    fake.stop()
    fake.start()
    assert [type(frame) for frame in take(watch, 1)] == [Bookmark]
    assert [request.cursor for request in fake.requests("WatchRevocations")] == ["", ""]


def test_a_goodbye_is_yielded_and_honoured(fake, connect, clock, revoke) -> None:
    watch = connect(system=clock.system(jitter=0.5)).revocations.watch()
    revoke("one")
    take(watch, 2)
    fake.drain(retry_after_seconds=(2.0, 4.0))
    goodbye = next(watch)
    assert isinstance(goodbye, Goodbye)
    assert goodbye.reason == "draining"
    fake.start()
    revoke("two")
    assert subjects(take(watch, 1)) == ["two"]
    assert round(sum(clock.slept), 3) == 3.0


def test_a_goodbye_can_not_silence_a_watch_for_good(fake, connect, clock, revoke) -> None:
    watch = connect(system=clock.system()).revocations.watch()
    revoke("one")
    take(watch, 2)
    fake.drain(retry_after_seconds=(10_000.0, 10_000.0))
    next(watch)
    fake.start()
    revoke("two")
    take(watch, 1)
    assert round(sum(clock.slept)) == 300


def test_stop_ends_a_wait_between_attempts(fake, connect, clock) -> None:
    stop = threading.Event()
    fake.stop()
    clock.on_sleep = lambda: stop.set() if len(clock.slept) == 3 else None
    assert list(connect(system=clock.system()).revocations.watch(stop=stop)) == []
    assert len(clock.slept) == 3


def test_a_watch_that_is_left_lets_its_stream_go(fake, client, revoke) -> None:
    revoke("one")
    watch = client.revocations.watch()
    next(watch)
    watch.close()
    assert not [thread for thread in threading.enumerate() if thread.name == "hallmark-watch"]


def test_a_silent_stream_is_given_up(fake, clock) -> None:
    """A peer that accepted the stream and then hangs."""
    opened: list[str] = []
    hung = threading.Event()

    class Silent:
        def __iter__(self):
            hung.wait(10)
            return iter(())

        def cancel(self) -> None:
            hung.set()

    def open_stream(cursor: str, nonce: bytes):
        opened.append(cursor)
        if len(opened) == 2:
            stop.set()
        return Silent()

    stop = threading.Event()
    watch = Watch(
        open_stream=open_stream,
        parent="tenants/default",
        cursor="where I was",
        nonce=None,
        heartbeat_seconds=0.1,
        trusted_keys=None,
        stop=stop,
        is_closed=lambda: False,
        system=clock.system(),
    )
    assert list(watch.frames()) == []
    assert opened == ["where I was", "where I was"]


def test_with_trusted_keys_every_stream_has_a_nonce_of_its_own(fake, connect, clock, revoke) -> None:
    watch = connect(system=clock.system()).revocations.watch(trusted_keys=fake.trusted_keys)
    revoke("one")
    take(watch, 2)
    fake.stop()
    fake.start()
    revoke("two")
    take(watch, 1)
    first, second = (request.nonce for request in fake.requests("WatchRevocations"))
    assert len(first) == len(second) == 32
    assert first != second


def test_a_tampered_event_is_not_yielded_and_not_skipped(fake, client, revoke) -> None:
    revoke("one")
    for change in (
        lambda frame: setattr(frame.event, "payload", frame.event.payload.replace(b"one", b"two")),
        lambda frame: setattr(frame.event.signature, "signature", bytes(3373)),
    ):
        fake.change_answer("WatchRevocations", change)
        with pytest.raises(SignatureInvalid):
            next(client.revocations.watch(trusted_keys=fake.trusted_keys))
    for change in (
        lambda frame: setattr(frame.event, "subject", "tenants/default/keys/other"),
        lambda frame: setattr(frame.event, "name", "tenants/default/revocations/other"),
        lambda frame: setattr(frame.event, "reason", 2),
        lambda frame: setattr(frame.event.effective_time, "seconds", 1),
        lambda frame: setattr(frame.event.event_time, "seconds", 1),
        lambda frame: setattr(frame.event, "initiating_entity", 2),
        lambda frame: setattr(frame.event.signature, "context", "hallmark/heartbeat/v1"),
        lambda frame: setattr(frame.event.signature, "key_version", "tenants/default/keys/mine/versions/1"),
    ):
        fake.change_answer("WatchRevocations", change)
        with pytest.raises(VerificationFailed):
            next(client.revocations.watch(trusted_keys=fake.trusted_keys))


def test_a_frame_that_makes_no_sense_is_an_error(fake, client, revoke) -> None:
    revoke("one")
    fake.change_answer("WatchRevocations", lambda frame: setattr(frame.event.event_time, "seconds", 2**62))
    with pytest.raises(Internal) as refused:
        next(client.revocations.watch())
    assert refused.value.reason == "ANSWER_INVALID"


def test_frames_of_a_newer_server_are_skipped(fake, client, revoke) -> None:
    revoke("one")
    fake.change_answer("WatchRevocations", lambda frame: frame.ClearField("event"))
    assert isinstance(next(client.revocations.watch()), Bookmark)
