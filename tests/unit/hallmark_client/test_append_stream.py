"""Streams that break: every event is answered once, and is in the log once."""

import itertools
import threading
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime

import grpc
import pytest

from hallmark_client import Client, Unavailable
from hallmark_client.errors import DeadlineExceeded, Internal, InvalidArgument, PermissionDenied, ResourceExhausted
from hallmark_client.model.appending import Appended, ToAppend
from hallmark_client.testing import FakeService, LoopbackServer, TestAuthority, refusal
from hallmark_tlog.entry import parse_entry


def events(count: int) -> list[ToAppend]:
    return [
        ToAppend(event_type="com.example.model.released", subject=f"models/{number}", request_id=str(uuid.uuid4()))
        for number in range(count)
    ]


def check_once(fake: FakeService, client: Client, items: list[ToAppend], answers) -> None:
    assert sorted(item.request_id for item, _ in answers) == sorted(item.request_id for item in items)
    assert all(isinstance(outcome, Appended) for _, outcome in answers)
    logged = [parse_entry(record.entry).subject for record in client.log.entries()]
    assert sorted(subject for subject in logged if subject.startswith("models/")) == sorted(
        item.subject for item in items
    )


@pytest.mark.parametrize("fault", ["refuse", "lose_answer"])
def test_what_a_broken_stream_left_unanswered_is_asked_again(fake: FakeService, client, fault) -> None:
    items = events(30)
    getattr(fake, fault)("AppendStream", times=3)
    check_once(fake, client, items, list(client.log.append_stream(items, outstanding_max=4)))


def test_a_stream_goes_through_a_restart(fake: FakeService) -> None:
    server = LoopbackServer(fake, TestAuthority(datetime.now(UTC)))
    items = events(60)
    try:
        with Client(server.profile("backend")) as remote:
            answers = []
            for number, answer in enumerate(remote.log.append_stream(items, outstanding_max=8)):
                answers.append(answer)
                if number == 20:
                    server.stop()
                    threading.Timer(0.2, server.start).start()
            check_once(fake, remote, items, answers)
    finally:
        server.stop()


@pytest.mark.parametrize(
    "error",
    [
        refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "QUEUE_FULL", "behind", retry_after_seconds=1),
        refusal(grpc.StatusCode.UNAVAILABLE, "HSM_UNAVAILABLE", "no token", retry_after_seconds=5),
        refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "late"),
    ],
    ids=str,
)
def test_an_event_that_can_not_be_answered_now_is_asked_again(fake: FakeService, connect, clock, error) -> None:
    client = connect(system=clock.system())

    def late(answer) -> None:
        answer.error.code = error.grpc_code.value[0]
        answer.error.message = error.message

    fake.change_answer("AppendStream", late)
    items = events(3)
    check_once(fake, client, items, list(client.log.append_stream(items)))
    fake.refuse("AppendStream", error)
    more = events(2)
    answers = list(client.log.append_stream(more))
    assert len(answers) == 2
    assert sum(clock.slept) >= (error.retry_after_seconds or 0)


def test_what_stays_wrong_is_raised_in_the_time_of_a_call(fake: FakeService, connect, clock) -> None:
    client = connect(system=clock.system(), timeout_seconds=10.0)
    fake.stop()
    with pytest.raises(Unavailable):
        list(client.log.append_stream(events(3)))
    assert 5 < sum(clock.slept) <= 10
    fake.start()
    busy = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_STREAMS", "close one", retry_after_seconds=30)
    fake.refuse("AppendStream", busy)
    with pytest.raises(ResourceExhausted):
        list(client.log.append_stream(events(1)))


def test_patience_is_about_time_without_answers(fake: FakeService, connect, clock) -> None:
    """Each event is lost once, with seconds in between: all together takes longer than one call may."""
    client = connect(system=clock.system(), timeout_seconds=4.0)
    late = refusal(grpc.StatusCode.UNAVAILABLE, "SHUTTING_DOWN", "closing", retry_after_seconds=3)
    answers = []
    fake.refuse("AppendStream", late)
    for answer in client.log.append_stream(events(5), outstanding_max=1):
        answers.append(answer)
        fake.refuse("AppendStream", late, times=1 if len(answers) < 5 else 0)
    assert len(answers) == 5
    assert sum(clock.slept) >= 15


def test_what_is_wrong_with_all_events_is_raised(connect) -> None:
    with pytest.raises(PermissionDenied):
        list(connect(role="auditor").log.append_stream(events(2)))


def test_what_the_source_raises_comes_after_the_answers(client) -> None:
    def source() -> Iterator[ToAppend]:
        yield from events(3)
        raise ValueError("the file ends in the middle")

    stream = client.log.append_stream(source())
    assert len(list(itertools.islice(stream, 3))) == 3
    with pytest.raises(ValueError, match="in the middle"):
        next(stream)


def test_a_request_id_that_comes_twice_waits_for_the_first(client) -> None:
    (one,) = events(1)
    answers = [outcome for _, outcome in client.log.append_stream([one, one, one])]
    assert [outcome.replayed for outcome in answers] == [False, True, True]
    assert len({outcome.log.leaf_index for outcome in answers}) == 1


def test_an_answer_that_nobody_asked_for_is_an_error(fake: FakeService, client) -> None:
    fake.change_answer("AppendStream", lambda answer: setattr(answer, "request_id", "another"))
    with pytest.raises(Internal):
        list(client.log.append_stream(events(1)))


def test_answers_come_while_the_source_takes_its_time(client) -> None:
    asked = threading.Event()

    def source() -> Iterator[ToAppend]:
        first, second = events(2)
        yield first
        assert asked.wait(10), "the first answer should come before the second event"
        yield second

    answers = []
    for answer in client.log.append_stream(source()):
        answers.append(answer)
        asked.set()
    assert len(answers) == 2


def test_an_abandoned_stream_leaves_no_thread(client) -> None:
    before = threading.active_count()
    stream = client.log.append_stream(iter(events(100)), outstanding_max=2)
    next(stream)
    stream.close()
    deadline = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() <= before


def test_a_stream_is_left_at_once_also_while_its_source_is_silent(client) -> None:
    silent = threading.Event()

    def source() -> Iterator[ToAppend]:
        yield from events(1)
        silent.wait(20)

    stream = client.log.append_stream(source())
    next(stream)
    began = time.monotonic()
    stream.close()
    assert time.monotonic() - began < 1.5
    silent.set()


def test_nothing_to_append_is_nothing(client) -> None:
    assert list(client.log.append_stream([])) == []
    for wrong in ({"outstanding_max": 0}, {"wait": "soon"}):
        with pytest.raises(InvalidArgument):
            client.log.append_stream([], **wrong)


def test_a_late_proof_of_a_single_event_is_told(fake: FakeService, client) -> None:
    fake.refuse("AppendEntry", refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", "late"))
    with pytest.raises(DeadlineExceeded):
        client.log.append("com.example.model.released", "models/1")


def test_a_lost_answer_to_a_single_event_is_asked_again(fake: FakeService, client) -> None:
    fake.lose_answer("AppendEntry")
    assert client.log.append("com.example.model.released", "models/1").replayed
    fake.lose_answer("BatchAppendEntries")
    (answer,) = client.log.append_many(events(1))
    assert answer.replayed


@pytest.mark.parametrize("over_grpc", [False, True])
def test_closing_the_client_ends_its_streams(fake: FakeService, over_grpc: bool) -> None:
    server = LoopbackServer(fake, TestAuthority(datetime.now(UTC))) if over_grpc else None
    client = Client(server.profile("backend")) if server is not None else fake.client(role="backend")
    silent = threading.Event()

    def source() -> Iterator[ToAppend]:
        yield from events(3)
        threading.Timer(0.1, client.close).start()
        silent.wait(20)
        yield from events(1)

    try:
        stream = client.log.append_stream(source())
        assert len(list(itertools.islice(stream, 3))) == 3
        threading.Timer(0.5, silent.set).start()
        with pytest.raises(Unavailable):
            next(stream)
    finally:
        silent.set()
        client.close()
        if server is not None:
            server.stop()
