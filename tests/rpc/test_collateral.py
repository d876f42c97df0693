"""Collateral and anchors over the wire, and what a watcher hears when a status list changes."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import grpc
import pytest

from attestation.testing.certificates import KeyKind, new_key, spki_of
from attestation.x509 import parse_certificate
from hallmark.v1 import collateral_pb2, collateral_pb2_grpc, devices_pb2
from hallmark_client import VerificationFailed
from hallmark_client.model.enums import AssuranceLevel, EvidenceFormat
from hallmark_client.model.revocations import Event
from rpc.wire import PARENT, channel, fresh_id, refused
from support.service import RunningService, running_service

TPM_KEYS = collateral_pb2.COLLATERAL_KIND_TPM_KEYS
LIST = json.dumps({"tpm_keys": [{"name": "000b" + "ab" * 32}]}).encode()


@pytest.fixture
def admin(service: RunningService) -> Iterator[grpc.Channel]:
    with channel(service, "admin") as opened:
        yield opened


def _stub(opened: grpc.Channel) -> collateral_pb2_grpc.CollateralServiceStub:
    return collateral_pb2_grpc.CollateralServiceStub(opened)


def _put(**changes: object) -> collateral_pb2.PutCollateralRequest:
    fields = {"parent": PARENT, "kind": TPM_KEYS, "data": LIST, "label": "plant", "request_id": fresh_id()}
    return collateral_pb2.PutCollateralRequest(**{**fields, **changes})


def test_a_piece_comes_and_goes(admin: grpc.Channel) -> None:
    stub = _stub(admin)
    put = stub.PutCollateral(_put(), timeout=20)
    assert put.changed
    assert b"collateral.updated" in put.log.entry
    listing = stub.ListCollateral(collateral_pb2.ListCollateralRequest(parent=PARENT), timeout=20)
    assert put.collateral in listing.collateral
    assert {source.kind for source in listing.sources} == {collateral_pb2.COLLATERAL_KIND_ANDROID_STATUS}
    everybody = [piece for piece in listing.collateral if piece.name.startswith("tenants/system/")]
    assert [piece.kind for piece in everybody] == [collateral_pb2.COLLATERAL_KIND_ANDROID_STATUS]
    remove = collateral_pb2.RemoveCollateralRequest(name=put.collateral.name, request_id=fresh_id())
    assert b"collateral.removed" in stub.RemoveCollateral(remove, timeout=20).log.entry
    assert stub.RemoveCollateral(remove, timeout=20).replayed
    assert refused(stub.RemoveCollateral, _renewed(remove)).reason == "RESOURCE_NOT_FOUND"


def _renewed(request: collateral_pb2.RemoveCollateralRequest) -> collateral_pb2.RemoveCollateralRequest:
    return collateral_pb2.RemoveCollateralRequest(name=request.name, request_id=fresh_id())


def test_what_does_not_verify_is_refused(admin: grpc.Channel) -> None:
    put = _put(kind=collateral_pb2.COLLATERAL_KIND_AMD_CRL, data=b"no CRL", label="")
    found = refused(_stub(admin).PutCollateral, put)
    assert (found.code, found.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "COLLATERAL_INVALID")


def test_an_anchor_comes_and_goes(admin: grpc.Channel) -> None:
    stub = _stub(admin)
    anchor = collateral_pb2.Anchor(
        display_name="Plant", spki=spki_of(new_key(KeyKind.EC_P256)), formats=[devices_pb2.EVIDENCE_FORMAT_TPM]
    )
    add = collateral_pb2.AddAnchorRequest(parent=PARENT, anchor=anchor, request_id=fresh_id())
    added = stub.AddAnchor(add, timeout=20)
    assert b"anchor.added" in added.log.entry
    assert stub.AddAnchor(add, timeout=20).replayed
    assert stub.GetAnchor(collateral_pb2.GetAnchorRequest(name=added.anchor.name), timeout=20) == added.anchor
    listing = stub.ListAnchors(collateral_pb2.ListAnchorsRequest(parent=PARENT), timeout=20)
    assert listing.anchors[-1] == added.anchor
    assert len(listing.anchors) > 60, "the vendors' stand before"
    remove = collateral_pb2.RemoveAnchorRequest(name=listing.anchors[0].name, request_id=fresh_id())
    assert refused(stub.RemoveAnchor, remove).reason == "ANCHOR_BUILT_IN"
    remove = collateral_pb2.RemoveAnchorRequest(name=added.anchor.name, request_id=fresh_id())
    assert b"anchor.removed" in stub.RemoveAnchor(remove, timeout=20).log.entry


def test_who_may_what(service: RunningService) -> None:
    with channel(service, "device") as device:
        list_all = collateral_pb2.ListCollateralRequest(parent=PARENT)
        assert refused(_stub(device).ListCollateral, list_all).reason == "ROLE_NOT_ALLOWED"
    with channel(service, "auditor") as auditor:
        assert refused(_stub(auditor).PutCollateral, _put()).reason == "ROLE_NOT_ALLOWED"
        assert _stub(auditor).ListCollateral(collateral_pb2.ListCollateralRequest(parent=PARENT), timeout=20)
    with channel(service, "admin") as admin:
        assert refused(_stub(admin).PutCollateral, _put(parent="tenants/other")).reason == "RESOURCE_NOT_FOUND"


def test_watchers_hear_of_a_new_status_list_within_seconds(tmp_path: Path) -> None:
    """The operator's file changes; the device that rests on a key revoked in it loses its appraisal."""
    with running_service(tmp_path / "home") as service, service.client() as client:
        challenge = client.devices.create_challenge()
        key = service.phone.generate_key(challenge.challenge)
        result = client.devices.attest(challenge.name, key.evidence.named("certificate"), key_spki=key.spki)
        assert result.device is not None
        serial = parse_certificate(service.phone.attester.chain[0]).serial
        entries = {"entries": {serial: {"status": "REVOKED", "reason": "KEY_COMPROMISE"}}}
        (service.home / "status.json").write_text(json.dumps(entries))
        for frame in client.revocations.watch(heartbeat_seconds=1):
            if isinstance(frame, Event):
                event = frame.event
                break
        assert event.subject == result.device.name
        assert event.assurance is not None
        assert event.assurance.current_level is AssuranceLevel.NOT_APPRAISED
        version = event.signature.key_version
        verified = event.verify({version: client.keys.public_key(version).composite()})
        assert verified.assurance == event.assurance
        with pytest.raises(VerificationFailed):
            replace(event, assurance=None).verify({version: client.keys.public_key(version).composite()})
        assert not client.devices.replay(event.assurance.verdict).differences
        after = client.devices.get(result.device.name)
        assert not after.latest_verdict.appraised
        assert after.latest_verdict.name == event.assurance.verdict
        (anchor, *_) = client.anchors.list()
        assert EvidenceFormat.ANDROID_KEY in anchor.formats
