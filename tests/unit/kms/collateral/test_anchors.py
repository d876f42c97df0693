"""Trust anchors: the built-in table, a tenant's own, and what may not be added."""

import uuid
from base64 import b64encode
from dataclasses import replace
from datetime import timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from attestation.model import Evidence, Format
from attestation.testing import VirtualVendor
from attestation.testing.certificates import KeyKind, new_key, spki_of
from hallmark.v1 import collateral_pb2, devices_pb2
from kms.collateral import store
from kms.collateral.anchors import (
    BUILT_IN,
    AnchorName,
    OwnAnchor,
    anchor_name,
    android_anchor,
    check_anchor,
    read_key,
    terms,
)
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason
from support.clock import START
from unit.kms.collateral.bench import PARENT, CollateralBench

TPM = devices_pb2.EVIDENCE_FORMAT_TPM


@pytest.fixture(scope="module")
def spki() -> bytes:
    return spki_of(new_key(KeyKind.EC_P256))


def _anchor(key: bytes, **fields: object) -> collateral_pb2.Anchor:
    return collateral_pb2.Anchor(**{"display_name": "Our maker", "spki": key, "formats": [TPM], **fields})


def _at(days: int) -> Timestamp:
    stamp = Timestamp()
    stamp.FromDatetime(START + timedelta(days=days))
    return stamp


def test_every_built_in_key_is_there_once() -> None:
    keys = [anchor.spki_sha256 for anchor in BUILT_IN.items]
    assert len(keys) == len(set(keys)) > 60
    assert {form for anchor in BUILT_IN.items for form in anchor.formats} >= {
        Format.ANDROID_KEY,
        Format.APPLE_APP_ATTEST,
        Format.INTEL_TDX,
        Format.AMD_SEV_SNP,
        Format.AWS_NITRO,
        Format.TPM,
        Format.NVIDIA_GPU,
        Format.WEBAUTHN,
    }


async def test_an_own_anchor_counts_for_its_tenant_only(bench: CollateralBench, spki: bytes) -> None:
    added = (await bench.add_anchor(_anchor(spki, uses=["ak"], is_root=True, not_after=_at(9)))).anchor
    anchors, _ = await bench.shelf.current("default", Evidence(Format.TPM, ()))
    (own,) = [anchor for anchor in anchors.items if anchor.spki == spki]
    assert own.formats == {Format.TPM}
    assert (own.uses, own.not_after, own.is_root) == ({"ak"}, START + timedelta(days=9), True)
    others, _ = await bench.shelf.current("other", Evidence(Format.TPM, ()))
    assert spki not in {anchor.spki for anchor in others.items}
    assert (await bench.list_anchors())[-1] == added
    assert added not in await bench.list_anchors(tenant="other")
    (entry,) = await bench.logged()
    assert (entry["type"], entry["subject"]) == ("anchor.added", added.name)
    assert bench.changes == [None]
    request = collateral_pb2.GetAnchorRequest(name=added.name)
    assert await bench.servicer.GetAnchor(request, bench.service.call("GetAnchor")) == added


async def test_a_removed_anchor_counts_no_more(bench: CollateralBench, spki: bytes) -> None:
    added = (await bench.add_anchor(_anchor(spki))).anchor
    await bench.remove_anchor(added.name)
    anchors, _ = await bench.shelf.current("default", Evidence(Format.TPM, ()))
    assert spki not in {anchor.spki for anchor in anchors.items}
    with pytest.raises(NotFound):
        await bench.remove_anchor(added.name)
    assert [entry["type"] for entry in await bench.logged()] == ["anchor.added", "anchor.removed"]


async def test_a_key_is_an_anchor_once(bench: CollateralBench, spki: bytes) -> None:
    request_id = str(uuid.uuid4())
    await bench.add_anchor(_anchor(spki), request_id=request_id)
    assert (await bench.add_anchor(_anchor(spki), request_id=request_id)).replayed
    common = bench.amd.anchors.items[0].spki
    for known in (spki, common):
        with pytest.raises(AlreadyExists) as refused:
            await bench.add_anchor(_anchor(known))
        assert refused.value.reason is Reason.ANCHOR_EXISTS


async def test_those_of_all_can_not_be_removed(bench: CollateralBench) -> None:
    name = f"{PARENT}/anchors/{bench.amd.anchors.items[0].spki_sha256}"
    with pytest.raises(FailedPrecondition) as refused:
        await bench.remove_anchor(name)
    assert refused.value.reason is Reason.ANCHOR_BUILT_IN


async def test_adding_and_removing_ask_for_approvals(bench: CollateralBench, spki: bytes) -> None:
    bench.require(1)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.add_anchor(_anchor(spki))
    assert refused.value.reason is Reason.APPROVAL_REQUIRED
    name = refused.value.metadata["subject"]
    parameters = bytes.fromhex(refused.value.metadata["parameters_sha256"])
    proposal = await bench.approved(name, parameters)
    more = [TPM, devices_pb2.EVIDENCE_FORMAT_INTEL_TDX]
    with pytest.raises(FailedPrecondition) as refused:
        await bench.add_anchor(_anchor(spki, formats=more), proposal=proposal)
    assert refused.value.reason is Reason.PROPOSAL_NOT_APPROVED
    await bench.add_anchor(_anchor(spki), proposal=proposal)
    with pytest.raises(FailedPrecondition):
        await bench.remove_anchor(name)
    await bench.remove_anchor(name, proposal=await bench.approved(name))


IMPOSSIBLE = (
    {"display_name": ""},
    {"display_name": "line\nbreak"},
    {"formats": []},
    {"formats": [0]},
    {"formats": [99]},
    {"uses": ["UPPER"]},
    {"uses": ["packed"]},
    {"uses": ["ak", "metadata"]},
    {"uses": ["ak"], "formats": [TPM, devices_pb2.EVIDENCE_FORMAT_WEBAUTHN]},
    {"uses": ["ak"], "formats": [devices_pb2.EVIDENCE_FORMAT_AWS_NITRO]},
    {"formats": [devices_pb2.EVIDENCE_FORMAT_AMD_SEV_SNP]},
    {"formats": [devices_pb2.EVIDENCE_FORMAT_AMD_SEV_SNP], "common_name": "Our root"},
    {"uses": [str(number) for number in range(17)]},
    {"spki": b""},
    {"spki": b"\x30\x03\x02\x01\x01"},
    {"spki": b"x" * 20_000},
    {"common_name": "x" * 201},
    {"not_before": _at(2), "not_after": _at(1)},
)


async def test_anchors_that_can_not_be(bench: CollateralBench, spki: bytes) -> None:
    for fields in IMPOSSIBLE:
        with pytest.raises(InvalidArgument) as refused:
            await bench.add_anchor(_anchor(spki, **fields))
        assert refused.value.reason is Reason.FIELD_INVALID, fields


async def test_anchors_that_need_a_name_or_a_use(bench: CollateralBench) -> None:
    for fields in (
        {"formats": [devices_pb2.EVIDENCE_FORMAT_AMD_SEV_SNP], "common_name": "ARK-Genoa"},
        {"formats": [devices_pb2.EVIDENCE_FORMAT_AMD_SEV_SNP], "common_name": "SEV-VLEK-Turin"},
        {"formats": [devices_pb2.EVIDENCE_FORMAT_WEBAUTHN], "uses": ["packed", "metadata"]},
        {"formats": [TPM, devices_pb2.EVIDENCE_FORMAT_WEBAUTHN], "uses": ["ak", "tpm"]},
        {"formats": [devices_pb2.EVIDENCE_FORMAT_APPLE_APP_ATTEST], "uses": ["receipt"]},
    ):
        await bench.add_anchor(_anchor(spki_of(new_key(KeyKind.EC_P256)), **fields))


def test_what_the_vendors_own_anchors_say_could_be_added() -> None:
    for anchor in BUILT_IN.items:
        assert check_anchor(replace(anchor, name="vendor")).spki == anchor.spki


@pytest.mark.parametrize("name", ["", "tenants/default/anchors/xyz", "tenants/default/anchors/" + "AB" * 32])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidArgument):
        AnchorName.parse(name)


async def test_another_tenants_anchor_is_not_there(bench: CollateralBench, spki: bytes) -> None:
    added = (await bench.add_anchor(_anchor(spki))).anchor
    with pytest.raises(NotFound):
        await bench.remove_anchor(added.name.replace("default", "other"))


def test_a_key_is_read_from_whatever_holds_it() -> None:
    vendor = VirtualVendor.create(now=START)
    der = vendor.certificate
    pem = b"-----BEGIN CERTIFICATE-----\n" + b64encode(der) + b"\n-----END CERTIFICATE-----\n"
    key = spki_of(vendor.key)
    key_pem = b"-----BEGIN PUBLIC KEY-----\n" + b64encode(key) + b"\n-----END PUBLIC KEY-----\n"
    assert [read_key(data, "root") for data in (der, pem, key, key_pem)] == [key] * 4
    assert android_anchor(pem, "root.pem").formats == {Format.ANDROID_KEY}
    for data in (b"", b"-----BEGIN CERTIFICATE-----", der[:-1], b"\xff" * 10):
        with pytest.raises(ValueError, match="neither a certificate"):
            read_key(data, "root")


async def test_what_is_stored_comes_back(bench: CollateralBench) -> None:
    for anchor in BUILT_IN.items[:3]:
        own = OwnAnchor(name=anchor_name("default", anchor), anchor=anchor, create_time=START)
        await bench.service.database.write(lambda tx, own=own: store.insert_anchor(tx, own))
        stored = await bench.service.database.read(
            lambda tx, own=own: store.find_anchor(tx, "default", own.anchor.spki_sha256)
        )
        assert stored == own
        assert terms(stored.anchor) == terms(anchor)
