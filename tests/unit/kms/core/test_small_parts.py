"""Canonical JSON, identifiers, checksums, wake-ups: small enough for one file."""

import asyncio
import uuid
from datetime import timedelta

import pytest

from kms.core.canonical import canonical_json
from kms.core.checksum import check_crc32c, crc32c
from kms.core.clock import format_time
from kms.core.errors import InvalidArgument, NotFound, Reason
from kms.core.identity import Caller, Role
from kms.core.ids import new_id
from kms.core.wakeup import Wakeup, wait_ticket
from support.clock import START
from support.randomness import SeededRandomness


def test_canonical_json_has_one_spelling() -> None:
    value = {"b": 1, "a": ["é", True, None, "\n\x1f"], "A": {}}
    assert canonical_json(value) == '{"A":{},"a":["é",true,null,"\\n\\u001f"],"b":1}'.encode()


@pytest.mark.parametrize("bad", [1.5, {"é": 1}, [2**53 + 1], {"a": float("nan")}, b"bytes"])
def test_what_has_no_canonical_form_is_refused(bad) -> None:
    with pytest.raises(ValueError, match=r"canonical|ASCII"):
        canonical_json(bad)


def test_new_ids_are_version_7_sort_by_time_and_differ() -> None:
    randomness = SeededRandomness()
    first, second = new_id(START, randomness), new_id(START, randomness)
    later = new_id(START + timedelta(milliseconds=1), randomness)
    assert uuid.UUID(first).version == 7
    assert uuid.UUID(first).variant == uuid.RFC_4122
    assert first != second
    assert max(first, second) < later
    assert uuid.UUID(first).int >> 80 == int(START.timestamp() * 1000)


def test_times_are_written_in_utc_with_six_decimals() -> None:
    assert format_time(START) == "2026-11-21T12:00:00.000000Z"


def test_crc32c_is_castagnoli() -> None:
    assert crc32c(b"123456789") == 0xE3069283  # check value of the CRC catalogue
    with pytest.raises(InvalidArgument) as refused:
        check_crc32c(b"123456789", 1, "input_crc32c")
    assert refused.value.reason is Reason.CHECKSUM_MISMATCH


def test_other_tenants_see_nothing() -> None:
    caller = Caller("spiffe://x/tenants/a/admin/b", "a", Role.ADMIN, "b")
    caller.may_see("a", "tenants/a/keys/k")
    with pytest.raises(NotFound, match="was not found"):
        caller.may_see("other", "tenants/other/keys/k")


async def test_a_ticket_taken_before_the_notification_is_done_by_it() -> None:
    wakeup = Wakeup()
    ticket = wakeup.ticket()
    wakeup.notify()
    assert await wait_ticket(ticket, 0)
    assert not await wait_ticket(wakeup.ticket(), 0.01)


async def test_all_waiters_wake_together() -> None:
    wakeup = Wakeup()
    waiting = [asyncio.create_task(wait_ticket(wakeup.ticket(), 5)) for _ in range(10)]
    await asyncio.sleep(0)
    wakeup.notify()
    assert all(await asyncio.gather(*waiting))
