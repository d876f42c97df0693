"""Appraisal policies over the wire, in a service of their own: what is in force matters to every device."""

import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hallmark.v1 import appraisal_pb2, appraisal_pb2_grpc, approvals_pb2, approvals_pb2_grpc
from hallmark_client import Client
from hallmark_client.wire.policies import policy_of
from rpc.wire import PARENT, channel, fresh_id, refused
from support.service import RunningService, running_service

SETTINGS = '[server]\nadmins = ["bob"]\n[approvals.required]\npolicy_change = 1\n'
NEW_PATCHES = b'name = "new patches"\n[android]\nmin_os_patch_level = 209901\n'


@pytest.fixture(scope="module")
def careful(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("policies"), settings=SETTINGS) as running:
        yield running


@pytest.fixture
def policies(careful: RunningService) -> Iterator[appraisal_pb2_grpc.AppraisalServiceStub]:
    with channel(careful, "admin") as opened:
        yield appraisal_pb2_grpc.AppraisalServiceStub(opened)


def _enrol(client: Client, service: RunningService) -> str:
    challenge = client.devices.create_challenge()
    key = service.phone.generate_key(challenge.challenge)
    certificates = tuple(part.data for part in key.evidence.parts)
    device = client.devices.attest(challenge.name, certificates, key_spki=key.spki).device
    assert device is not None
    return device.name


def _approved(service: RunningService, policy: appraisal_pb2.Policy) -> str:
    """A proposal to activate it, approved by bob."""
    with channel(service, "admin") as admin, channel(service, "bob") as bob:
        create = approvals_pb2.CreateProposalRequest(
            parent=PARENT,
            act=approvals_pb2.PROPOSED_ACT_POLICY_CHANGE,
            subject=policy.name,
            parameters_sha256=policy_of(policy).activation_sha256,
            request_id=fresh_id(),
        )
        proposal = approvals_pb2_grpc.ApprovalServiceStub(admin).CreateProposal(create, timeout=20)
        pem = (service.home / "clients" / "bob" / "key.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, password=None)
        signature = key.sign(b"hallmark/approval/v1\n" + proposal.payload, ec.ECDSA(hashes.SHA256()))
        approve = approvals_pb2.ApproveProposalRequest(name=proposal.name, signature=signature, request_id=fresh_id())
        approvals_pb2_grpc.ApprovalServiceStub(bob).ApproveProposal(approve, timeout=20)
    return proposal.name


def test_from_a_file_to_devices_that_are_judged_again(
    careful: RunningService, policies: appraisal_pb2_grpc.AppraisalServiceStub
) -> None:
    with careful.client() as client:
        device = _enrol(client, careful)
        set_request = appraisal_pb2.SetPolicyRequest(parent=PARENT, document=NEW_PATCHES, request_id=fresh_id())
        policy = policies.SetPolicy(set_request, timeout=20).policy
        assert client.devices.get(device).latest_verdict.appraised

        trial = policies.DryRunPolicy(appraisal_pb2.DryRunPolicyRequest(name=policy.name), timeout=60)
        (change,) = [each for each in trial.changes if each.device == device]
        assert (list(change.to.reasons), change.by_policy) == (["OS_PATCH_TOO_OLD"], True)

        activate = appraisal_pb2.ActivatePolicyRequest(name=policy.name, request_id=fresh_id())
        assert refused(policies.ActivatePolicy, activate).reason == "APPROVAL_REQUIRED"
        activate.proposal = _approved(careful, policy)
        activate.request_id = fresh_id()
        activated = policies.ActivatePolicy(activate, timeout=20)
        assert activated.policy.state == appraisal_pb2.POLICY_STATE_ACTIVE
        get = appraisal_pb2.GetPolicyRequest(name=f"{PARENT}/policies/active")
        assert policies.GetPolicy(get, timeout=20) == activated.policy

        deadline = time.monotonic() + 10
        while client.devices.get(device).latest_verdict.appraised and time.monotonic() < deadline:
            time.sleep(0.05)
        verdict = client.devices.get(device).latest_verdict
        assert verdict.reasons == ("OS_PATCH_TOO_OLD",)
        assert verdict.input_sha256["policy"] == policy.policy_sha256
        listed = policies.ListPolicies(appraisal_pb2.ListPoliciesRequest(parent=PARENT), timeout=20).policies
        assert policy.name in [each.name for each in listed]


def test_an_approval_is_for_this_document(
    careful: RunningService, policies: appraisal_pb2_grpc.AppraisalServiceStub
) -> None:
    set_request = appraisal_pb2.SetPolicyRequest(parent=PARENT, document=b'name = "a"', request_id=fresh_id())
    first = policies.SetPolicy(set_request, timeout=20).policy
    set_request.request_id = fresh_id()
    second = policies.SetPolicy(set_request, timeout=20).policy
    request = appraisal_pb2.ActivatePolicyRequest(
        name=second.name, proposal=_approved(careful, first), request_id=fresh_id()
    )
    assert refused(policies.ActivatePolicy, request).reason == "PROPOSAL_NOT_APPROVED"


def test_who_may_do_what(careful: RunningService) -> None:
    with channel(careful, "auditor") as auditor:
        stub = appraisal_pb2_grpc.AppraisalServiceStub(auditor)
        assert stub.GetPolicy(appraisal_pb2.GetPolicyRequest(name=f"{PARENT}/policies/0"), timeout=20).title == "strict"
        request = appraisal_pb2.SetPolicyRequest(parent=PARENT, document=b"", request_id=fresh_id())
        assert refused(stub.SetPolicy, request).reason == "ROLE_NOT_ALLOWED"


def test_mistakes_are_named(policies: appraisal_pb2_grpc.AppraisalServiceStub) -> None:
    request = appraisal_pb2.SetPolicyRequest(
        parent=PARENT, document=b"[android]\nmin_os_patchlevel = 1", request_id=fresh_id()
    )
    refusal = refused(policies.SetPolicy, request)
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.INVALID_ARGUMENT, "POLICY_INVALID")
    assert "did you mean min_os_patch_level?" in refusal.message


def test_what_is_in_force_survives_a_restart(tmp_path: Path) -> None:
    with running_service(tmp_path / "service") as service:
        with service.client() as client:
            client.policies.activate(client.policies.set(NEW_PATCHES).policy.name)
        service.stop()
        service.start()
        with service.client() as client:
            assert client.policies.get().title == "new patches"
            challenge = client.devices.create_challenge()
            verdict = client.devices.attest(
                challenge.name, service.phone.attest(challenge.challenge).named("certificate")
            ).verdict
            assert verdict.reasons == ("OS_PATCH_TOO_OLD",)
