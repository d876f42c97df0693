"""A revoked anchor: its key counts for nothing any more, built in or not, and never comes back. Changes are told."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from attestation.model import Evidence, Format
from attestation.testing.certificates import KeyKind, new_key, spki_of
from hallmark.v1 import collateral_pb2, devices_pb2
from kms.collateral import store
from kms.collateral.anchor_service import TOPIC
from kms.collateral.revocable import RevocableAnchors
from kms.collateral.shelf import CollateralShelf
from kms.core.errors import AlreadyExists, FailedPrecondition, NotFound, Reason
from kms.events import history
from kms.events.model import GLOBAL, Event, Status
from unit.kms.collateral.bench import CollateralBench


@pytest.fixture
def bench(bench: CollateralBench) -> CollateralBench:
    revocations = bench.service.revocations
    revocations.subjects = {**revocations.subjects, "anchors": RevocableAnchors()}
    bench.anchors.events = revocations.events
    return bench


@pytest.fixture
def anchor() -> collateral_pb2.Anchor:
    spki = spki_of(new_key(KeyKind.EC_P256))
    return collateral_pb2.Anchor(display_name="Plant", spki=spki, formats=[devices_pb2.EVIDENCE_FORMAT_TPM])


async def _told(bench: CollateralBench) -> Sequence[Event]:
    placed = await bench.service.database.read(lambda tx: history.events_after(tx, "default", GLOBAL, 0, limit=20))
    return [each.event for each in placed]


def _own(event: Event) -> dict[str, Any]:
    ((uri, members),) = json.loads(event.payload)["events"].items()
    return {"type": uri.rpartition("/")[2], **members["hallmark.v1"]}


async def _trusted(bench: CollateralBench, form: Format) -> frozenset[bytes]:
    """As another replica sees it once it has looked."""
    shelf = CollateralShelf(bench.service.database, bench.shelf._common)
    await shelf.load()
    anchors, _ = await shelf.current("default", Evidence(form, ()))
    return frozenset(found.spki for found in anchors.items)


async def test_an_anchor_that_is_added_waits_for_the_log(bench: CollateralBench, anchor: collateral_pb2.Anchor) -> None:
    answer = await bench.add_anchor(anchor)
    assert await _told(bench) == []
    details = json.loads(answer.log.entry)["details"]
    assert details["payload_sha256"]
    await bench.remove_anchor(answer.anchor.name)
    (event,) = await _told(bench)
    own = _own(event)
    assert (event.status, own["type"], own["change"]) == (Status.SUSPENDED, "trust-root-changed", "removed")
    await bench.add_anchor(anchor)


async def test_a_revoked_anchor_never_comes_back(bench: CollateralBench, anchor: collateral_pb2.Anchor) -> None:
    added = (await bench.add_anchor(anchor)).anchor
    assert anchor.spki in await _trusted(bench, Format.TPM)
    before = (await bench.service.database.read(store.changes))["default", TOPIC]
    await bench.service.revoke(added.name)
    assert anchor.spki not in await _trusted(bench, Format.TPM)
    assert await bench.shelf.load_if_changed(), "every replica sees that something changed"
    assert (await bench.service.database.read(store.changes))["default", TOPIC] == before + 1
    with pytest.raises(FailedPrecondition) as refused:
        await bench.add_anchor(anchor)
    assert refused.value.reason == Reason.KEY_REVOKED
    with pytest.raises(NotFound):
        await bench.remove_anchor(added.name)
    own = _own((await _told(bench))[-1])
    assert (own["change"], own["status"]) == ("revoked", "INVALID")


async def test_a_built_in_one_may_be_revoked_for_a_tenant(bench: CollateralBench) -> None:
    (built_in, *_) = await bench.list_anchors()
    assert built_in.spki in await _trusted(bench, Format.AMD_SEV_SNP)
    await bench.service.revoke(built_in.name)
    assert built_in.spki not in await _trusted(bench, Format.AMD_SEV_SNP)
    await bench.shelf.load()
    assert built_in.name not in {anchor.name for anchor in await bench.list_anchors()}
    assert built_in.spki in {anchor.spki for anchor in await bench.list_anchors(tenant="other")}


async def test_what_is_there_already_is_not_told(bench: CollateralBench, anchor: collateral_pb2.Anchor) -> None:
    await bench.add_anchor(anchor)
    with pytest.raises(AlreadyExists):
        await bench.add_anchor(anchor)
    held = await bench.service.database.read(lambda tx: tx.exec_driver_sql("SELECT count(*) FROM event_held").scalar())
    assert held == 1
