"""Rows of the table of writes: status lists and snapshots, artifacts, and what else can be revoked."""

from typing import Any, Final

from fault.kms.write_table import CHECKPOINTS, REQUEST_ID, Row
from hallmark.v1 import collateral_pb2
from kms.appraisal.revocable import RevocablePolicies
from kms.collateral.revocable import RevocableAnchors
from kms.devices.revocable_verdicts import RevocableVerdicts
from kms.events.model import Status
from kms.status import lists
from unit.kms.appraisal.bench import AppraisalBench, appraisal_running
from unit.kms.artifacts.bench import ARTIFACT, MODEL, SUSPENDED, VALID, ArtifactBench, artifacts_running
from unit.kms.collateral.bench import CollateralBench, collateral_running
from unit.kms.devices.bench import DeviceBench, devices_running
from unit.kms.revocation.bench import Bench
from unit.kms.status.bench import ENTRIES, TENANT, StatusBench, status_running

SUBJECT: Final = f"tenants/{TENANT}/devices/0190c2a4-0000-7000-8000-000000000001"


def _can_be_revoked(service: Bench, **subjects: Any) -> None:
    service.revocations.subjects = {**service.revocations.subjects, **subjects}


# Status


async def _take_back_and_publish(bench: StatusBench, _: Any, database: Any, _attempt: int) -> None:
    """A place, its value, then a snapshot that shows it."""
    bench.publisher.events.database = database
    bench.publisher.place.database = database
    bench.publisher.place._known = None
    await database.write(lambda tx: lists.allocate(tx, TENANT, SUBJECT, bench.service.randomness, entries=ENTRIES))
    await database.write(lambda tx: lists.set_value(tx, TENANT, SUBJECT, Status.INVALID))
    await bench.schedule.step()


# Artifacts


async def _suspend(bench: ArtifactBench, _: Any, database: Any, _attempt: int) -> None:
    bench.service.revocations.events.database = database
    await bench.set(SUSPENDED, request_id=REQUEST_ID)


async def _suspended(bench: ArtifactBench) -> None:
    await bench.set(SUSPENDED)


async def _resume(bench: ArtifactBench, _: Any, database: Any, _attempt: int) -> None:
    bench.service.revocations.events.database = database
    await bench.set(VALID, request_id=REQUEST_ID)


async def _raise_minimum(bench: ArtifactBench, _: Any, database: Any, _attempt: int) -> None:
    bench.service.revocations.events.database = database
    answer = await bench.minimum(3, request_id=REQUEST_ID)
    assert answer.status.name == MODEL


async def _revoke_artifact(bench: ArtifactBench, _: Any, database: Any, _attempt: int) -> None:
    bench.service.revocations.events.database = database
    await bench.service.revoke(ARTIFACT, request_id=REQUEST_ID)


# Verdicts, policies, anchors


async def _attested(bench: DeviceBench) -> str:
    _can_be_revoked(bench.service, verdicts=RevocableVerdicts(bench.service.randomness))
    _, device = await bench.enrol()
    return device.latest_verdict.name


async def _in_force(bench: AppraisalBench) -> str:
    _can_be_revoked(bench.devices.service, policies=RevocablePolicies())
    bench.appraisal.events = bench.devices.service.revocations.events
    name: str = (await bench.set()).policy.name
    await bench.activate(name)
    return name


async def _revoke_policy(bench: AppraisalBench, name: str, database: Any, _attempt: int) -> None:
    bench.devices.service.revocations.events.database = database
    await bench.devices.service.revoke(name, request_id=REQUEST_ID)


async def _revoke_verdict(bench: DeviceBench, name: str, database: Any, _attempt: int) -> None:
    bench.service.revocations.events.database = database
    await bench.service.revoke(name, request_id=REQUEST_ID)


async def _anchor(bench: CollateralBench) -> collateral_pb2.Anchor:
    _can_be_revoked(bench.service, anchors=RevocableAnchors())
    bench.anchors.events = bench.service.revocations.events
    return (await bench.list_anchors())[0]


async def _revoke_anchor(bench: CollateralBench, anchor: collateral_pb2.Anchor, database: Any, _attempt: int) -> None:
    bench.service.revocations.events.database = database
    await bench.service.revoke(anchor.name, request_id=REQUEST_ID)


def _of_status(bench: StatusBench) -> Any:
    return bench.service.database


def _of_artifacts(bench: ArtifactBench) -> Any:
    return bench.service.database


ROWS: Final[dict[str, Row]] = {
    "status, taken back and published": Row(
        world=status_running, run=_take_back_and_publish, database=_of_status, harmless=CHECKPOINTS
    ),
    "artifact, suspend": Row(world=artifacts_running, run=_suspend, database=_of_artifacts),
    "artifact, resume": Row(world=artifacts_running, prepare=_suspended, run=_resume, database=_of_artifacts),
    "artifact, minimum version": Row(world=artifacts_running, run=_raise_minimum, database=_of_artifacts),
    "artifact, revoke": Row(world=artifacts_running, run=_revoke_artifact, database=_of_artifacts),
    "verdict, revoke": Row(
        world=devices_running, prepare=_attested, run=_revoke_verdict, database=lambda bench: bench.service.database
    ),
    "policy, revoke": Row(
        world=appraisal_running,
        prepare=_in_force,
        run=_revoke_policy,
        database=lambda bench: bench.devices.service.database,
    ),
    "anchor, revoke": Row(
        world=collateral_running, prepare=_anchor, run=_revoke_anchor, database=lambda bench: bench.service.database
    ),
}
