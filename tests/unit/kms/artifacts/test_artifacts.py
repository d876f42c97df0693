"""Artifacts: suspended at once, resumed on proof, revoked for ever; minimum versions only go up."""

import hashlib
import json
import uuid

import pytest

from hallmark.v1 import artifacts_pb2
from kms.artifacts import store
from kms.artifacts.model import ModelName
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from kms.events.model import Priority, Status
from unit.kms.artifacts.bench import ARTIFACT, DIGEST, MODEL, REVOKED, SUSPENDED, VALID, ArtifactBench, own
from unit.kms.revocation.bench import TENANT


async def _blocked(bench: ArtifactBench) -> dict[str, Status]:
    digests = [DIGEST, "00" * 32]
    return await bench.service.database.read(lambda tx: store.blocked(tx, TENANT, digests))


async def test_a_suspension_is_told_with_its_commit(bench: ArtifactBench) -> None:
    answer = await bench.set(SUSPENDED)
    assert (answer.status.name, answer.status.state, answer.status.revision) == (ARTIFACT, SUSPENDED, 1)
    (event,) = await bench.told()
    assert (event.status, event.priority) == (Status.SUSPENDED, Priority.URGENT)
    members = own(event)
    assert (members["type"], members["digest"], members["revision"]) == ("artifact-status-change", DIGEST, 1)
    entry = json.loads(answer.log.entry)
    assert entry["type"] == "artifact.status-set"
    assert entry["details"]["payload_sha256"] == hashlib.sha256(event.payload).hexdigest()
    assert await _blocked(bench) == {DIGEST: Status.SUSPENDED}


async def test_its_end_waits_for_the_log(bench: ArtifactBench) -> None:
    await bench.set(SUSPENDED)
    answer = await bench.set(VALID)
    assert (answer.status.state, answer.status.revision) == (VALID, 2)
    assert await _blocked(bench) == {}
    assert len(await bench.told()) == 1
    assert await bench.release() == 1
    event = (await bench.told())[-1]
    assert (event.status, event.revision) == (Status.VALID, 2)
    assert event.promise is not None
    assert event.promise.tlog_proof


async def test_what_was_suspended_again_meanwhile_stays_so(bench: ArtifactBench) -> None:
    for state in (SUSPENDED, VALID, SUSPENDED):
        await bench.set(state)
    await bench.release()
    assert [event.status for event in await bench.told()] == [Status.SUSPENDED, Status.SUSPENDED]
    assert (await bench.told())[-1].revision == 3


async def test_revoked_is_for_ever(bench: ArtifactBench) -> None:
    await bench.set(SUSPENDED)
    await bench.set(VALID)
    await bench.service.revoke(ARTIFACT)
    await bench.release()
    event = (await bench.told())[-1]
    members = own(event)
    assert (event.status, members["type"], members["action"]) == (Status.INVALID, "artifact-revoked", "shred")
    assert members["digest"] == DIGEST
    assert (await bench.list()).statuses[0].state == REVOKED
    assert await _blocked(bench) == {DIGEST: Status.INVALID}
    for state in (VALID, SUSPENDED):
        with pytest.raises(FailedPrecondition, match="stays so"):
            await bench.set(state)
    assert (await bench.service.revoke(ARTIFACT)).replayed


async def test_any_digest_may_be_revoked(bench: ArtifactBench) -> None:
    await bench.service.revoke(ARTIFACT)
    assert await _blocked(bench) == {DIGEST: Status.INVALID}
    with pytest.raises(InvalidArgument):
        await bench.service.revoke(ARTIFACT.upper())


async def test_a_minimum_version_only_goes_up(bench: ArtifactBench) -> None:
    await bench.minimum(3)
    answer = await bench.minimum(7)
    assert (answer.status.minimum_version, answer.status.revision, answer.status.state) == (7, 2, VALID)
    for version in (7, 1):
        with pytest.raises(FailedPrecondition, match="only goes up"):
            await bench.minimum(version)
    with pytest.raises(InvalidArgument):
        await bench.minimum(0)
    assert [own(event)["min_version"] for event in await bench.told()] == [3, 7]
    assert own((await bench.told())[0])["type"] == "artifact-superseded"
    found = await bench.service.database.read(lambda tx: store.find(tx, ModelName.parse(MODEL)))
    assert found is not None
    assert found.minimum_version == 7


async def test_what_is_so_already_is_refused(bench: ArtifactBench) -> None:
    with pytest.raises(FailedPrecondition):
        await bench.set(VALID)
    await bench.set(SUSPENDED)
    with pytest.raises(FailedPrecondition):
        await bench.set(SUSPENDED)
    for state in (REVOKED, artifacts_pb2.ARTIFACT_STATE_UNSPECIFIED):
        with pytest.raises(InvalidArgument):
            await bench.set(state)
    for name in (MODEL, ARTIFACT[:-1], "artifacts/x"):
        with pytest.raises(InvalidArgument):
            await bench.set(SUSPENDED, name=name)


async def test_the_same_request_is_answered_again(bench: ArtifactBench) -> None:
    request_id = str(uuid.uuid4())
    first = await bench.set(SUSPENDED, request_id=request_id)
    again = await bench.set(SUSPENDED, request_id=request_id)
    assert (again.replayed, again.status, again.log.leaf_hash) == (True, first.status, first.log.leaf_hash)
    assert len(await bench.told()) == 1
    with pytest.raises(AlreadyExists):
        await bench.set(VALID, request_id=request_id)


async def test_others_see_nothing(bench: ArtifactBench) -> None:
    with pytest.raises(NotFound):
        await bench.set(SUSPENDED, tenant="other")


async def test_the_list_comes_in_pages(bench: ArtifactBench) -> None:
    names = [f"tenants/{TENANT}/artifacts/{number:064x}" for number in range(3)]
    for name in names:
        await bench.set(SUSPENDED, name=name)
    await bench.minimum(2)
    first = await bench.list(page_size=3)
    assert [status.name for status in first.statuses] == names
    rest = await bench.list(page_size=3, page_token=first.next_page_token)
    assert [status.name for status in rest.statuses] == [MODEL]
    assert not rest.next_page_token
