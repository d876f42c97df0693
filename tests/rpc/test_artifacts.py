"""Artifacts over the wire: every RPC of the service, and who may call it."""

import uuid
from collections.abc import Iterator

import grpc
import pytest

from hallmark.v1 import artifacts_pb2, artifacts_pb2_grpc, revocation_pb2, revocation_pb2_grpc
from rpc.wire import PARENT, channel, fresh_id, refused
from support.service import RunningService

SUSPENDED, VALID = artifacts_pb2.ARTIFACT_STATE_SUSPENDED, artifacts_pb2.ARTIFACT_STATE_VALID


@pytest.fixture
def admin(service: RunningService) -> Iterator[grpc.Channel]:
    with channel(service, "admin") as opened:
        yield opened


def _stub(opened: grpc.Channel) -> artifacts_pb2_grpc.ArtifactServiceStub:
    return artifacts_pb2_grpc.ArtifactServiceStub(opened)


def _name() -> str:
    return f"{PARENT}/artifacts/{uuid.uuid4().hex * 2}"


def _set(name: str, state: artifacts_pb2.ArtifactState) -> artifacts_pb2.SetArtifactStatusRequest:
    return artifacts_pb2.SetArtifactStatusRequest(name=name, state=state, request_id=fresh_id())


def test_an_artifact_is_suspended_resumed_and_revoked(admin: grpc.Channel) -> None:
    stub, name = _stub(admin), _name()
    request = _set(name, SUSPENDED)
    answer = stub.SetArtifactStatus(request, timeout=20)
    assert (answer.status.state, answer.status.revision) == (SUSPENDED, 1)
    assert b"artifact.status-set" in answer.log.entry
    assert stub.SetArtifactStatus(request, timeout=20).replayed
    assert refused(stub.SetArtifactStatus, _set(name, SUSPENDED)).reason == "STATE_TRANSITION_INVALID"
    assert stub.SetArtifactStatus(_set(name, VALID), timeout=20).status.revision == 2
    revoke = revocation_pb2.RevokeRequest(
        subject=name, reason=revocation_pb2.REVOCATION_REASON_POLICY_VIOLATION, request_id=fresh_id()
    )
    revocation_pb2_grpc.RevocationServiceStub(admin).Revoke(revoke, timeout=20)
    assert refused(stub.SetArtifactStatus, _set(name, VALID)).code == grpc.StatusCode.FAILED_PRECONDITION
    listing = stub.ListArtifactStatuses(artifacts_pb2.ListArtifactStatusesRequest(parent=PARENT), timeout=20)
    (found,) = [status for status in listing.statuses if status.name == name]
    assert found.state == artifacts_pb2.ARTIFACT_STATE_REVOKED


def test_a_minimum_version_goes_up(admin: grpc.Channel) -> None:
    stub, name = _stub(admin), f"{PARENT}/models/model-{uuid.uuid4().hex[:8]}"
    request = artifacts_pb2.SetMinimumVersionRequest(name=name, minimum_version=4, request_id=fresh_id())
    assert stub.SetMinimumVersion(request, timeout=20).status.minimum_version == 4
    request.request_id = fresh_id()
    assert refused(stub.SetMinimumVersion, request).reason == "STATE_TRANSITION_INVALID"


def test_an_auditor_reads_only(service: RunningService) -> None:
    with channel(service, "auditor") as opened:
        stub = _stub(opened)
        stub.ListArtifactStatuses(artifacts_pb2.ListArtifactStatusesRequest(parent=PARENT), timeout=20)
        assert refused(stub.SetArtifactStatus, _set(_name(), SUSPENDED)).code == grpc.StatusCode.PERMISSION_DENIED
