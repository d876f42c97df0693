"""Taking collateral in and out: what counts, for whom, what is written, what is refused."""

import hashlib
import json
import uuid
from datetime import timedelta

import pytest

from attestation.amd_collateral import AmdCollateral
from attestation.crl import parse_crl
from attestation.formats.sev_snp_tcb import Product
from attestation.model import Collateral, Evidence, Format
from attestation.status import parse_status_list
from attestation.testing.amd import VirtualAmd
from hallmark.v1 import collateral_pb2, devices_pb2
from kms.collateral.model import CollateralKind
from kms.collateral.service import Offer
from kms.collateral.shelf import CollateralShelf
from kms.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Reason,
    ResourceExhausted,
)
from support.clock import START
from unit.kms.collateral.bench import EMPTY_LIST, PARENT, CollateralBench

AMD = collateral_pb2.COLLATERAL_KIND_AMD_CRL
STATUS = collateral_pb2.COLLATERAL_KIND_ANDROID_STATUS
TPM_KEYS = collateral_pb2.COLLATERAL_KIND_TPM_KEYS
KEYS = json.dumps({"tpm_keys": [{"name": "000b" + "ab" * 32}]}).encode()
SNP = Evidence(Format.AMD_SEV_SNP, ())
PHONE = Evidence(Format.ANDROID_KEY, ())


async def _in_force(bench: CollateralBench, evidence: Evidence, tenant: str = "default") -> Collateral:
    _, collateral = await bench.shelf.current(tenant, evidence)
    return collateral


async def test_a_verified_piece_is_in_force_logged_and_archived(bench: CollateralBench) -> None:
    data = bench.crl()
    answer = await bench.put(AMD, data)
    piece = answer.collateral
    assert answer.changed
    assert piece.key == f"ARK-Milan/{bench.amd.anchors.items[0].spki_sha256[:16]}"
    assert piece.sha256 == hashlib.sha256(data).hexdigest()
    assert piece.next_update.ToDatetime() - piece.issue_time.ToDatetime() == timedelta(days=30)
    assert (await _in_force(bench, SNP)).amd == AmdCollateral((parse_crl(data),))
    assert await bench.shelf.archived("Crl", piece.sha256) == data
    assert list((await bench.list_all()).collateral) == [piece]
    (entry,) = await bench.logged()
    assert (entry["type"], entry["subject"]) == ("collateral.updated", piece.name)
    assert entry["details"]["sha256"] == piece.sha256
    assert bench.changes == [None], "stored evidence is judged again"


async def test_the_archive_says_what_it_does_not_have(bench: CollateralBench) -> None:
    with pytest.raises(KeyError):
        await bench.shelf.archived("Crl", "00" * 32)


async def test_other_formats_do_not_see_it(bench: CollateralBench) -> None:
    await bench.put(AMD, bench.crl())
    assert await _in_force(bench, PHONE) == Collateral()


async def test_other_tenants_do_not_see_it(bench: CollateralBench) -> None:
    piece = (await bench.put(AMD, bench.crl())).collateral
    assert (await _in_force(bench, SNP, "other")).amd is None
    assert not (await bench.list_all(tenant="other")).collateral
    theirs = piece.name.replace("tenants/default", "tenants/other")
    for name in (piece.name.replace("default", "system"), theirs):
        with pytest.raises(NotFound):
            await bench.remove(name)


async def test_the_same_call_again_gets_the_same_answer(bench: CollateralBench) -> None:
    request_id = str(uuid.uuid4())
    first = await bench.put(AMD, bench.crl(), request_id=request_id)
    again = await bench.put(AMD, bench.crl(), request_id=request_id)
    assert again.replayed
    assert again.collateral == first.collateral
    assert len(await bench.logged()) == 1
    with pytest.raises(AlreadyExists):
        await bench.put(AMD, bench.crl(days=1), request_id=request_id)


async def test_a_newer_piece_takes_the_place_and_the_older_stays_in_the_archive(bench: CollateralBench) -> None:
    first = (await bench.put(AMD, bench.crl())).collateral
    bench.service.clock.advance(86400)
    second = (await bench.put(AMD, bench.crl(days=1))).collateral
    assert second.name == first.name
    assert second.update_time.seconds - first.update_time.seconds == 86400
    assert [piece.sha256 for piece in (await bench.list_all()).collateral] == [second.sha256]
    assert await bench.shelf.archived("Crl", first.sha256)


async def test_an_older_piece_is_refused(bench: CollateralBench) -> None:
    newest = (await bench.put(AMD, bench.crl(days=1))).collateral
    with pytest.raises(FailedPrecondition) as refused:
        await bench.put(AMD, bench.crl())
    assert refused.value.reason is Reason.COLLATERAL_OUTDATED
    assert [piece.sha256 for piece in (await bench.list_all()).collateral] == [newest.sha256]


async def test_a_list_of_the_future_is_refused(bench: CollateralBench) -> None:
    bench.service.clock.advance(86400 - 4 * 60)
    await bench.put(AMD, bench.crl(days=2))
    with pytest.raises(InvalidArgument) as refused:
        await bench.put(AMD, bench.crl(days=2, minutes=2))
    assert refused.value.reason is Reason.COLLATERAL_INVALID
    offer = Offer(kind=CollateralKind.AMD_CRL, data=bench.crl(days=9), source="x.crl", fetched_at=START)
    with pytest.raises(InvalidArgument):
        await bench.collateral.take_in(offer, now=START)


async def test_an_expired_list_does_not_replace_one_that_is_not(bench: CollateralBench) -> None:
    good = bench.crl(lifetime_days=9)
    offer = Offer(kind=CollateralKind.AMD_CRL, data=good, source="milan.crl", fetched_at=START)
    await bench.collateral.take_in(offer, now=START)
    bench.service.clock.advance(3 * 86400)
    expired = bench.crl(days=2, lifetime_days=1)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.put(AMD, expired)
    assert refused.value.reason is Reason.COLLATERAL_OUTDATED
    with pytest.raises(FailedPrecondition):
        await bench.collateral.take_in(
            Offer(kind=CollateralKind.AMD_CRL, data=expired, source="milan.crl", fetched_at=START),
            now=bench.service.clock.now(),
        )
    assert (await _in_force(bench, SNP)).amd == AmdCollateral((parse_crl(good),))
    bench.service.clock.advance(9 * 86400)
    await bench.put(AMD, expired)


async def test_lists_of_two_roots_with_one_name_stand_beside_each_other(bench: CollateralBench) -> None:
    other = VirtualAmd.create(Product.MILAN, now=START, number=1)
    spki = other.anchors.items[0].spki
    form = devices_pb2.EVIDENCE_FORMAT_AMD_SEV_SNP
    await bench.add_anchor(
        collateral_pb2.Anchor(display_name="Other", spki=spki, formats=[form], common_name="ARK-Milan")
    )
    first = (await bench.put(AMD, bench.crl(revoked=(7,)))).collateral
    second = (await bench.put(AMD, bench.crl(days=1, signer=other.root_key))).collateral
    assert first.key != second.key
    assert {piece.sha256 for piece in (await bench.list_all()).collateral} == {first.sha256, second.sha256}


async def test_what_does_not_verify_changes_nothing(bench: CollateralBench) -> None:
    good = (await bench.put(AMD, bench.crl())).collateral
    with pytest.raises(InvalidArgument) as refused:
        await bench.put(AMD, bench.crl(days=1, signer=bench.amd.signing_key))
    assert refused.value.reason is Reason.COLLATERAL_INVALID
    assert [piece.sha256 for piece in (await bench.list_all()).collateral] == [good.sha256]
    assert len(bench.changes) == 1


async def test_the_same_bytes_again_only_renew_the_time(bench: CollateralBench) -> None:
    await bench.put(STATUS, EMPTY_LIST)
    bench.service.clock.advance(3600)
    answer = await bench.put(STATUS, EMPTY_LIST)
    assert not answer.changed
    later = START + timedelta(hours=1)
    assert (await _in_force(bench, PHONE)).android_status == parse_status_list(EMPTY_LIST, fetched_at=later)
    assert len(bench.changes) == 1


async def test_an_old_status_list_is_shown_as_stale(bench: CollateralBench) -> None:
    await bench.put(STATUS, EMPTY_LIST)
    bench.service.clock.advance(86400 + 60)
    (piece,) = (await bench.list_all()).collateral
    assert piece.state == collateral_pb2.COLLATERAL_STATE_STALE
    assert (await _in_force(bench, PHONE)).android_status is not None, "what it means is the policy's business"


async def test_an_own_piece_stands_before_the_operators(bench: CollateralBench) -> None:
    offer = Offer(kind=CollateralKind.ANDROID_STATUS, data=EMPTY_LIST, source="list.json", fetched_at=START)
    await bench.collateral.take_in(offer, now=START)
    mine = b'{"entries": {"ab": {"status": "REVOKED"}}}'
    own = (await bench.put(STATUS, mine)).collateral
    states = {piece.name.split("/")[1]: piece.state for piece in (await bench.list_all()).collateral}
    assert states == {
        "default": collateral_pb2.COLLATERAL_STATE_IN_FORCE,
        "system": collateral_pb2.COLLATERAL_STATE_OVERRIDDEN,
    }
    found = (await _in_force(bench, PHONE)).android_status
    assert found is not None
    assert found.find("ab") is not None
    others = (await _in_force(bench, PHONE, "other")).android_status
    assert others == parse_status_list(EMPTY_LIST, fetched_at=START)
    await bench.remove(own.name)
    assert (await _in_force(bench, PHONE)).android_status == others
    assert [entry["type"] for entry in await bench.logged()][-1] == "collateral.removed"


async def test_the_operators_piece_is_logged_when_it_is_new_only(bench: CollateralBench) -> None:
    offer = Offer(kind=CollateralKind.AMD_CRL, data=bench.crl(), source="milan.crl", fetched_at=START)
    item, changed = await bench.collateral.take_in(offer, now=START)
    assert (item.owner, changed) == ("system", True)
    assert (await bench.collateral.take_in(offer, now=START))[1] is False
    assert len(await bench.logged()) == 1


async def test_what_nobody_signs_asks_for_approvals(bench: CollateralBench) -> None:
    bench.require(1)
    await bench.put(AMD, bench.crl())
    with pytest.raises(FailedPrecondition) as refused:
        await bench.put(TPM_KEYS, KEYS, label="plant")
    assert refused.value.reason is Reason.APPROVAL_REQUIRED
    subject = f"{PARENT}/collateral/tpm-keys/plant"
    proposal = await bench.approved(subject, hashlib.sha256(b"something else").digest())
    with pytest.raises(FailedPrecondition) as refused:
        await bench.put(TPM_KEYS, KEYS, label="plant", proposal=proposal)
    assert refused.value.reason is Reason.PROPOSAL_NOT_APPROVED
    proposal = await bench.approved(subject, hashlib.sha256(KEYS).digest())
    piece = (await bench.put(TPM_KEYS, KEYS, label="plant", proposal=proposal)).collateral
    with pytest.raises(FailedPrecondition):
        await bench.remove(piece.name)
    await bench.remove(piece.name, proposal=await bench.approved(piece.name))
    assert [found.kind for found in (await bench.list_all()).collateral] == [AMD]


async def test_lists_with_labels_stand_beside_each_other(bench: CollateralBench) -> None:
    other = json.dumps({"tpm_keys": [{"name": "000b" + "cd" * 32}]}).encode()
    await bench.put(TPM_KEYS, KEYS, label="plant-1")
    await bench.put(TPM_KEYS, other, label="plant-2")
    tpm = (await _in_force(bench, Evidence(Format.TPM, ()))).tpm
    assert tpm is not None
    assert tpm.enrolled_names == {bytes.fromhex("000b" + "ab" * 32), bytes.fromhex("000b" + "cd" * 32)}


IMPOSSIBLE = (
    {"kind": 0, "data": b"x"},
    {"kind": 99, "data": b"x"},
    {"kind": AMD, "data": b""},
    {"kind": AMD, "data": b"x" * (3 * 1024 * 1024 + 1)},
    {"kind": AMD, "data": b"x", "label": "a"},
    {"kind": TPM_KEYS, "data": KEYS},
    {"kind": TPM_KEYS, "data": KEYS, "label": "../x"},
)


async def test_requests_that_can_not_be_right(bench: CollateralBench) -> None:
    for fields in IMPOSSIBLE:
        with pytest.raises(InvalidArgument) as refused:
            await bench.put(**fields)
        assert refused.value.reason is Reason.FIELD_INVALID, list(fields)


async def test_a_tenant_keeps_a_bounded_number(bench: CollateralBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kms.collateral.service.ITEMS_MAX", 1)
    await bench.put(TPM_KEYS, KEYS, label="one")
    await bench.put(TPM_KEYS, KEYS, label="one")
    with pytest.raises(ResourceExhausted):
        await bench.put(TPM_KEYS, KEYS, label="two")


async def test_another_process_finds_what_is_in_force(bench: CollateralBench) -> None:
    beside = CollateralShelf(bench.service.database, bench.amd.anchors)
    await beside.load()
    assert not await beside.load_if_changed()
    await bench.put(AMD, bench.crl())
    assert await beside.load_if_changed()
    _, collateral = await beside.current("default", SNP)
    assert collateral.amd is not None
    assert not await beside.load_if_changed()


async def test_listing_one_kind(bench: CollateralBench) -> None:
    await bench.put(AMD, bench.crl())
    await bench.put(STATUS, EMPTY_LIST)
    assert [piece.kind for piece in (await bench.list_all(kind=STATUS)).collateral] == [STATUS]
