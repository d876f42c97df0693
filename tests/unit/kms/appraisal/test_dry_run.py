"""A dry run says what an activation would do, and does nothing."""

import pytest

from hallmark.v1 import appraisal_pb2
from kms.core.errors import NotFound
from unit.kms.appraisal.bench import MILD, NEW_PATCHES, PARENT, AppraisalBench

FIRST = f"{PARENT}/policies/1"


async def _enrolled(bench: AppraisalBench, count: int) -> list[str]:
    return [(await bench.devices.enrol())[1].name for _ in range(count)]


def _from(change: appraisal_pb2.DeviceChange) -> appraisal_pb2.Standing:
    return getattr(change, "from")


async def test_devices_that_would_lose(bench: AppraisalBench) -> None:
    names = await _enrolled(bench, 3)
    before = [await bench.devices.get(name) for name in names]
    await bench.set(NEW_PATCHES)
    found = await bench.dry_run(FIRST)
    assert found.examined == 3
    assert {change.device for change in found.changes} == set(names)
    for change in found.changes:
        assert (_from(change).appraised, change.to.appraised, change.to.authentic) == (True, False, True)
        assert list(change.to.reasons) == ["OS_PATCH_TOO_OLD"]
        assert change.by_policy
    assert [await bench.devices.get(name) for name in names] == before, "nothing was changed"


async def test_nothing_would_change(bench: AppraisalBench) -> None:
    await _enrolled(bench, 2)
    await bench.set(MILD)
    found = await bench.dry_run(FIRST)
    assert (found.examined, list(found.changes), found.next_page_token) == (2, [], "")


async def test_what_the_collateral_did_is_not_laid_to_the_policy(bench: AppraisalBench) -> None:
    """The status list has grown too old since: the policy in force would refuse the device today as well."""
    await _enrolled(bench, 1)
    await bench.set(MILD)
    bench.devices.service.clock.advance(3 * 86_400)
    (change,) = (await bench.dry_run(FIRST)).changes
    assert list(change.to.reasons) == ["STATUS_LIST_STALE"]
    assert not change.by_policy


async def test_page_by_page(bench: AppraisalBench) -> None:
    names = await _enrolled(bench, 5)
    await bench.set(NEW_PATCHES)
    seen, token, calls = [], "", 0
    while True:
        page = await bench.dry_run(FIRST, page_size=2, page_token=token)
        seen += [change.device for change in page.changes]
        token, calls = page.next_page_token, calls + 1
        if not token:
            break
    assert sorted(seen) == sorted(names)
    assert calls == 3


async def test_many_devices_in_one_call(bench: AppraisalBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.appraisal.dry_run._AT_ONCE", 2)
    await _enrolled(bench, 4)
    await bench.set(NEW_PATCHES)
    found = await bench.dry_run(FIRST)
    assert (found.examined, len(found.changes), found.next_page_token) == (4, 4, "")


async def test_without_devices_or_version(bench: AppraisalBench) -> None:
    with pytest.raises(NotFound):
        await bench.dry_run(FIRST)
    await bench.set()
    assert (await bench.dry_run(FIRST)).examined == 0
    assert (await bench.dry_run(f"{PARENT}/policies/active")).examined == 0
