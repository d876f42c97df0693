import pytest

from kms.core.errors import Reason, Unavailable
from kms.log.model import Receipt
from kms.log.waiters import Waiters

RECEIPT = Receipt(3, b"proof")


async def test_everybody_who_waits_for_a_key_gets_its_receipt() -> None:
    waiters = Waiters()
    with waiters.waiting("a") as first, waiters.waiting("a") as second, waiters.waiting("b") as other:
        waiters.settle({"a": RECEIPT, "x": RECEIPT})
        assert await first is RECEIPT
        assert await second is RECEIPT
        assert not other.done()
        waiters.settle({"a": Receipt(4, b"")})
        assert first.result() is RECEIPT


async def test_only_who_came_since_is_looked_up_until_everybody_is_asked_for() -> None:
    waiters = Waiters()
    with waiters.waiting("b"), waiters.waiting("a"):
        assert waiters.event_keys(everybody=False) == ["a", "b"]
        with waiters.waiting("c"):
            assert waiters.event_keys(everybody=False) == ["c"]
            assert waiters.event_keys(everybody=True) == ["a", "b", "c"]
        assert waiters.event_keys(everybody=True) == ["a", "b"]
    assert waiters.event_keys(everybody=True) == []


async def test_a_failure_reaches_who_waits_and_who_comes_later() -> None:
    waiters = Waiters()
    closing = Unavailable(Reason.SHUTTING_DOWN, "closing")
    with waiters.waiting("a") as first:
        waiters.fail(closing)
        with pytest.raises(Unavailable):
            await first
    with waiters.waiting("b") as later, pytest.raises(Unavailable):
        await later
    with waiters.waiting("c"):
        pass  # a failure that nobody looked at makes no noise
