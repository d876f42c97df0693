import asyncio
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from kms.core.errors import DeadlineExceeded, Reason, Unavailable
from kms.log.model import Receipt
from kms.log.rounds.waiters import Receipts, Waiters

RECEIPT = Receipt(3, b"proof", b"note")


def late() -> DeadlineExceeded:
    return DeadlineExceeded(Reason.DEADLINE_EXCEEDED, "late")


@contextmanager
def waiting(
    waiters: Waiters, event_keys: Sequence[str], *, proofs: bool = True, seconds: float = 60
) -> Iterator[asyncio.Future[Receipts]]:
    waiter = waiters.begin(event_keys, proofs=proofs, timeout_seconds=seconds, late=late)
    try:
        yield waiter.future
    finally:
        waiters.end(waiter)


async def test_everybody_who_waits_for_a_key_gets_its_receipt() -> None:
    waiters = Waiters()
    with waiting(waiters, ["a"]) as first, waiting(waiters, ["a"]) as second, waiting(waiters, ["b"]) as other:
        waiters.settle({"a": RECEIPT, "x": RECEIPT})
        assert await first == {"a": RECEIPT}
        assert await second == {"a": RECEIPT}
        assert not other.done()
        waiters.settle({"a": Receipt(4, b"")})
        assert first.result() == {"a": RECEIPT}


async def test_who_waits_for_many_is_answered_once_with_all() -> None:
    waiters = Waiters()
    with waiting(waiters, ["a", "b"]) as both:
        waiters.settle({"a": RECEIPT})
        assert not both.done()
        waiters.settle({"b": Receipt(4, b"q", b"note")})
        assert {key: receipt.leaf_index for key, receipt in (await both).items()} == {"a": 3, "b": 4}
    assert not waiters.is_proof_awaited


async def test_only_who_came_since_is_looked_up_until_everybody_is_asked_for() -> None:
    waiters = Waiters()
    with waiting(waiters, ["b"]), waiting(waiters, ["a"]):
        assert waiters.without_proof(everybody=False) == ["a", "b"]
        with waiting(waiters, ["c"]):
            assert waiters.without_proof(everybody=False) == ["c"]
            assert waiters.without_proof(everybody=True) == ["a", "b", "c"]
        assert waiters.without_proof(everybody=True) == ["a", "b"]
    assert waiters.without_proof(everybody=True) == []


async def test_places_are_told_when_they_are_given_and_remembered_for_a_while() -> None:
    waiters = Waiters()
    with waiting(waiters, ["a", "elsewhere"], proofs=False) as places:
        waiters.sequenced(7, ["x", "a"])
        assert (waiters.place("x"), waiters.place("a"), waiters.place("elsewhere")) == (7, 8, None)
        assert waiters.without_place() == ["elsewhere"]
        waiters.place_found({"elsewhere": 99})
        assert await places == {"a": Receipt(8), "elsewhere": Receipt(99)}
    with waiting(waiters, ["a"], proofs=False) as late:
        assert await late == {"a": Receipt(8)}
    for number in range(3):
        waiters.sequenced(10_000 * (number + 1), [f"{number}-{index}" for index in range(8192)])
    assert waiters.place("a") is None, "memory is bounded"


async def test_a_failure_reaches_who_waits_and_who_comes_later() -> None:
    waiters = Waiters()
    closing = Unavailable(Reason.SHUTTING_DOWN, "closing")
    with waiting(waiters, ["a"]) as first, waiting(waiters, ["p"], proofs=False) as place:
        waiters.fail(closing)
        for future in (first, place):
            with pytest.raises(Unavailable):
                await future
    with waiting(waiters, ["b"]) as later, pytest.raises(Unavailable):
        await later
    with waiting(waiters, ["c"]):
        pass  # a failure that nobody looked at makes no noise


async def test_the_time_is_over_for_who_waits_too_long() -> None:
    waiters = Waiters()
    with waiting(waiters, ["a"], seconds=0.001) as future, pytest.raises(DeadlineExceeded):
        await future
    assert not waiters.is_proof_awaited


async def test_who_is_held_is_answered_when_its_entries_went_through() -> None:
    waiters = Waiters()
    waiters.sequenced(5, ["a"])
    waiter = waiters.begin(["a"], proofs=False, timeout_seconds=60, late=late, is_held=True)
    assert not waiter.future.done(), "what an earlier call did must not answer this one"
    waiter.release()
    assert await waiter.future == {"a": Receipt(5)}
    waiters.end(waiter)
