"""AnchorDeviceAudit: a chain only grows, and what does not follow is refused in public."""

import hashlib
from typing import Any

import pytest

from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, PermissionDenied, Reason
from kms.core.identity import Role
from unit.kms.releases.bench import Phone, ReleaseBench

REQUEST_ID = "6b1f6a0e-58cf-4d0a-9a8e-3f4f6f0c1d11"


def head(number: int) -> bytes:
    return hashlib.sha256(f"entry {number}".encode()).digest()


async def test_heads_are_logged_as_the_chain_grows(bench: ReleaseBench) -> None:
    phone = await bench.enrol()
    for size in (1, 7, 7, 8):
        await bench.anchor(phone, size, head(size))
    told = [(entry["subject"], entry["details"]) for entry in await bench.logged("device.audit-anchored")]
    assert told == [(str(phone.name), {"head": head(size).hex(), "size": size}) for size in (1, 7, 7, 8)]


async def test_a_retry_is_answered_again_after_the_chain_grew(bench: ReleaseBench) -> None:
    phone = await bench.enrol()
    made = await bench.anchor(phone, 3, head(3), request_id=REQUEST_ID)
    await bench.anchor(phone, 9, head(9))
    again = await bench.anchor(phone, 3, head(3), request_id=REQUEST_ID)
    assert (again.replayed, again.log, again.anchor_time) == (True, made.log, made.anchor_time)
    assert len(await bench.logged("device.audit-anchored")) == 2


async def test_what_does_not_follow_is_refused_and_logged_once(bench: ReleaseBench) -> None:
    for size, claimed in ((4, head(4)), (5, head(99)), (1, head(5))):
        await check_refused(bench, await bench.enrol(), size, claimed)


async def check_refused(bench: ReleaseBench, phone: Phone, size: int, claimed: bytes) -> None:
    await bench.anchor(phone, 5, head(5))
    for _ in range(2):
        with pytest.raises(FailedPrecondition) as refused:
            await bench.anchor(phone, size, claimed)
        assert refused.value.reason is Reason.AUDIT_DIVERGED
        assert refused.value.metadata == {"known_size": "5", "known_head": head(5).hex()}
    told = await bench.logged("device.audit-diverged")
    (entry,) = [each for each in told if each["subject"] == str(phone.name)]
    assert entry["details"] == {
        "head": claimed.hex(),
        "known_head": head(5).hex(),
        "known_size": 5,
        "size": size,
    }
    await bench.anchor(phone, 6, head(6))


async def test_each_device_has_its_own(bench: ReleaseBench) -> None:
    phone, other = await bench.enrol(), await bench.enrol()
    await bench.anchor(phone, 5, head(5))
    await bench.anchor(other, 1, head(1))
    with pytest.raises(NotFound):
        await bench.anchor(other, 6, head(6), device=str(phone.name))
    with pytest.raises(NotFound):
        await bench.anchor(phone, 6, head(6), device=str(phone.name).replace("default", "other"))
    with pytest.raises(PermissionDenied):
        await bench.anchor(phone, 6, head(6), who={"role": Role.ADMIN})


async def test_what_can_not_be_right_is_refused(bench: ReleaseBench) -> None:
    phone = await bench.enrol()
    wrong: list[dict[str, Any]] = [
        {"size": 0},
        {"size": -1},
        {"size": 2**53 + 1},
        {"head": b"short"},
        {"device": "phone"},
        {"request_id": "x"},
    ]
    for changes in wrong:
        given: dict[str, Any] = {"size": 1, "head": head(1), **changes}
        with pytest.raises(InvalidArgument):
            await bench.anchor(phone, given.pop("size"), given.pop("head"), **given)
