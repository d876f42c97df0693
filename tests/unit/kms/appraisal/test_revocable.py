"""A revoked policy version: never in force again; when it was, nothing passes until another one is activated."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from attestation.policy import Policy
from hallmark.v1 import appraisal_pb2
from kms.appraisal.revocable import RevocablePolicies
from kms.appraisal.source import REFUSING, TenantPolicies
from kms.collateral import store as change_store
from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.core.names import ChildName
from kms.devices.reappraiser import POLICY
from kms.events import history
from kms.events.model import GLOBAL, Event, Status
from unit.kms.appraisal.bench import PARENT, AppraisalBench

BUILT_IN = f"{PARENT}/policies/0"


@pytest.fixture
def bench(bench: AppraisalBench) -> AppraisalBench:
    revocations = bench.devices.service.revocations
    revocations.subjects = {**revocations.subjects, "policies": RevocablePolicies()}
    bench.appraisal.events = revocations.events
    return bench


async def _told(bench: AppraisalBench) -> Sequence[Event]:
    database = bench.devices.service.database
    placed = await database.read(lambda tx: history.events_after(tx, "default", GLOBAL, 0, limit=20))
    return [each.event for each in placed]


def _own(event: Event) -> dict[str, Any]:
    ((uri, members),) = json.loads(event.payload)["events"].items()
    return {"type": uri.rpartition("/")[2], **members["hallmark.v1"]}


async def _in_force(bench: AppraisalBench) -> Policy:
    """As another replica, which has nothing in memory, sees it."""
    service = bench.devices.service
    other = TenantPolicies(
        database=service.database,
        verification=bench.source.verification,
        clock=service.clock,
        built_in=bench.source.built_in,
    )
    return await other.active("default")


async def test_an_activation_is_told(bench: AppraisalBench) -> None:
    version = (await bench.set()).policy
    answer = await bench.activate(version.name)
    (event,) = await _told(bench)
    own = _own(event)
    assert (event.subject, event.status, own["type"], own["change"]) == (
        version.name,
        Status.VALID,
        "policy-changed",
        "activated",
    )
    assert own["policy_sha256"] == version.policy_sha256
    entry = json.loads(answer.log.entry)
    assert entry["id"] == event.id
    await bench.activate(BUILT_IN)
    await bench.activate(version.name)
    assert [each.revision for each in await _told(bench)] == [1, 1, 2]


async def test_what_was_in_force_refuses_everything(bench: AppraisalBench) -> None:
    _, device = await bench.devices.enrol()
    bench.devices.reappraisal.policies = bench.source
    version = (await bench.set()).policy
    await bench.activate(version.name)
    assert (await _in_force(bench)).name == "mild"
    await bench.devices.service.revoke(version.name)
    assert await _in_force(bench) is REFUSING
    bench.source.forget("default")
    name = ChildName.parse(device.name, "devices")
    change = await bench.devices.reappraisal.reappraise(name, now=bench.devices.service.clock.now())
    assert change is not None
    assert change.lost
    assert change.after.reasons == ("POLICY_DENIED",)
    changes = await bench.devices.service.database.read(change_store.changes)
    assert changes["default", POLICY] == 1, "stored evidence is judged again"
    assert (_own((await _told(bench))[-1])["change"], (await _told(bench))[-1].status) == ("revoked", Status.INVALID)


async def test_only_another_activation_ends_it(bench: AppraisalBench) -> None:
    version = (await bench.set()).policy
    await bench.activate(version.name)
    await bench.devices.service.revoke(version.name)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.activate(version.name)
    assert refused.value.reason == Reason.STATE_TRANSITION_INVALID
    shown = await bench.get(version.name)
    assert shown.state == appraisal_pb2.POLICY_STATE_REVOKED
    await bench.activate(BUILT_IN)
    assert await _in_force(bench) is bench.source.built_in


async def test_one_that_was_never_in_force_is_only_barred(bench: AppraisalBench) -> None:
    version = (await bench.set()).policy
    await bench.devices.service.revoke(version.name)
    assert await _in_force(bench) is bench.source.built_in
    assert ("default", POLICY) not in await bench.devices.service.database.read(change_store.changes)
    with pytest.raises(FailedPrecondition):
        await bench.activate(version.name)


async def test_what_can_not_be_revoked(bench: AppraisalBench) -> None:
    with pytest.raises(NotFound):
        await bench.devices.service.revoke(f"{PARENT}/policies/7")
    with pytest.raises(InvalidArgument):
        await bench.devices.service.revoke(BUILT_IN)
