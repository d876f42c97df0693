"""Every write of collateral and anchors: failed, and failed but stored. A retry always ends well, and counts once."""

import hashlib
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from attestation.testing.certificates import KeyKind, new_key, spki_of
from fault.kms.revocation.flaky import ConnectionLost, Fault, FlakyDatabase
from hallmark.v1 import collateral_pb2, devices_pb2
from kms.collateral.model import CollateralKind
from kms.collateral.service import Offer
from kms.consent.removal_port import NobodyBlocked
from kms.core.errors import Reason, ResourceExhausted
from kms.core.names import ChildName
from kms.log.model import LogEntry
from kms.revocation import assurance_store
from kms.revocation.assurance import AssuranceService
from kms.revocation.model import AssuranceChange, AssuranceLevel
from support.clock import START
from unit.kms.collateral.bench import EMPTY_LIST, PARENT, CollateralBench, collateral_running

AMD = collateral_pb2.COLLATERAL_KIND_AMD_CRL
STATUS = collateral_pb2.COLLATERAL_KIND_ANDROID_STATUS


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[CollateralBench]:
    async with collateral_running(tmp_path) as bench:
        yield bench


def _flaky(bench: CollateralBench, fault: Fault) -> None:
    bench.collateral.database = bench.anchors.database = database = FlakyDatabase(bench.service.database)
    database.plan(fault)


async def _types(bench: CollateralBench) -> list[str]:
    return [entry["type"] for entry in await bench.logged()]


@pytest.mark.parametrize("fault", list(Fault))
async def test_putting(bench: CollateralBench, fault: Fault) -> None:
    _flaky(bench, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await bench.put(AMD, bench.crl(), request_id=request_id)
    await bench.shelf.load()
    assert len((await bench.list_all()).collateral) == (fault is Fault.LOST_AFTER)
    again = await bench.put(AMD, bench.crl(), request_id=request_id)
    assert [piece.name for piece in (await bench.list_all()).collateral] == [again.collateral.name]
    assert await _types(bench) == ["collateral.updated"]


@pytest.mark.parametrize("fault", list(Fault))
async def test_putting_what_was_approved_uses_the_approval_once(bench: CollateralBench, fault: Fault) -> None:
    bench.require(1)
    subject = f"{PARENT}/collateral/android-status"
    proposal = await bench.approved(subject, hashlib.sha256(EMPTY_LIST).digest())
    _flaky(bench, fault)
    call = {"request_id": str(uuid.uuid4()), "proposal": proposal}
    with pytest.raises(ConnectionLost):
        await bench.put(STATUS, EMPTY_LIST, **call)
    assert (await bench.put(STATUS, EMPTY_LIST, **call)).replayed is (fault is Fault.LOST_AFTER)
    assert await _types(bench) == ["collateral.updated"]


@pytest.mark.parametrize("fault", list(Fault))
async def test_taking_in(bench: CollateralBench, fault: Fault) -> None:
    offer = Offer(kind=CollateralKind.AMD_CRL, data=bench.crl(), source="milan.crl", fetched_at=START)
    _flaky(bench, fault)
    with pytest.raises(ConnectionLost):
        await bench.collateral.take_in(offer, now=START)
    _, changed = await bench.collateral.take_in(offer, now=START)
    assert changed is (fault is Fault.LOST_BEFORE)
    assert await _types(bench) == ["collateral.updated"]
    assert len((await bench.list_all()).collateral) == 1


@pytest.mark.parametrize("fault", list(Fault))
async def test_removing(bench: CollateralBench, fault: Fault) -> None:
    piece = (await bench.put(AMD, bench.crl())).collateral
    _flaky(bench, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await bench.remove(piece.name, request_id=request_id)
    await bench.remove(piece.name, request_id=request_id)
    assert not (await bench.list_all()).collateral
    assert await _types(bench) == ["collateral.updated", "collateral.removed"]


@pytest.mark.parametrize("fault", list(Fault))
async def test_anchors(bench: CollateralBench, fault: Fault) -> None:
    key = spki_of(new_key(KeyKind.EC_P256))
    anchor = collateral_pb2.Anchor(display_name="x", spki=key, formats=[devices_pb2.EVIDENCE_FORMAT_TPM])
    _flaky(bench, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await bench.add_anchor(anchor, request_id=request_id)
    added = (await bench.add_anchor(anchor, request_id=request_id)).anchor
    _flaky(bench, fault)
    request_id = str(uuid.uuid4())
    with pytest.raises(ConnectionLost):
        await bench.remove_anchor(added.name, request_id=request_id)
    await bench.remove_anchor(added.name, request_id=request_id)
    assert await _types(bench) == ["anchor.added", "anchor.removed"]
    assert added.name not in {found.name for found in await bench.list_anchors()}


@pytest.mark.parametrize("fault", list(Fault))
async def test_telling_of_a_change_of_assurance(bench: CollateralBench, fault: Fault) -> None:
    service = bench.service
    change = AssuranceChange(
        id="01939c5e-0000-7000-8000-000000000001",
        subject=ChildName("default", "devices", "01939c5e-0000-8000-8000-000000000002"),
        verdict="tenants/default/verdicts/01939c5e-0000-7000-8000-000000000003",
        current=AssuranceLevel.NOT_APPRAISED,
        previous=AssuranceLevel.APPRAISED,
        event_time=START,
    )
    await service.database.write(lambda tx: assurance_store.insert_note(tx, change))
    telling = AssuranceService(service.revocations, NobodyBlocked())
    events_of = service.revocations.events
    real, events_of.database = events_of.database, FlakyDatabase(service.database)
    events_of.database.plan(fault)  # type: ignore[attr-defined]
    with pytest.raises(ConnectionLost):
        await telling.announce_due(START)
    events_of.database = real
    assert await telling.announce_due(START) == (fault is Fault.LOST_BEFORE)
    events = (await service.list()).events
    assert [event.assurance_change.verdict for event in events] == [change.verdict]


async def test_without_room_in_the_log_nothing_happens(bench: CollateralBench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(tx: sa.Connection, entry: LogEntry) -> None:
        raise ResourceExhausted(Reason.QUEUE_FULL, "the transparency log is behind; retry", retry_after_seconds=1)

    with monkeypatch.context() as patch:
        patch.setattr(bench.service.log, "record", refuse)
        with pytest.raises(ResourceExhausted):
            await bench.put(AMD, bench.crl())
    await bench.shelf.load()
    assert not (await bench.list_all()).collateral
    with pytest.raises(KeyError):
        await bench.shelf.archived("Crl", hashlib.sha256(bench.crl()).hexdigest())
