"""A challenge is good for what it was made for; a device's class says who vouched for it; counters only grow."""

import asyncio
import uuid

import pytest
from cryptography.hazmat.primitives.asymmetric import mldsa

from attestation.formats import apple_app_assertion
from attestation.formats.software import evidence as software_evidence
from attestation.formats.software import make_statement
from attestation.model import Anchors, Evidence
from attestation.policy import Policy
from attestation.policy_software import SoftwarePolicy
from attestation.testing.apple import CLIENT_DATA, case_of
from attestation.testing.apple import Bench as AppleBench
from hallmark.v1 import devices_pb2 as pb
from kms.core.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Reason
from kms.core.identity import Role
from kms.devices.evidence_wire import FORMATS
from support.clock import START
from unit.kms.devices.bench import DeviceBench

SOFTWARE, FACTORY = pb.CHALLENGE_PURPOSE_SOFTWARE_SEALED, pb.CHALLENGE_PURPOSE_FACTORY
ASSERTION = pb.CHALLENGE_PURPOSE_ASSERTION


def evidence_message(evidence: Evidence) -> pb.Evidence:
    parts = [pb.EvidencePart(name=part.name, data=part.data) for part in evidence.parts]
    return pb.Evidence(format=FORMATS[evidence.format], parts=parts)


def attest_request(challenge: pb.Challenge, evidence: Evidence, **fields) -> pb.AttestDeviceRequest:
    return pb.AttestDeviceRequest(
        challenge=challenge.name, evidence=evidence_message(evidence), request_id=str(uuid.uuid4()), **fields
    )


async def test_a_challenge_for_one_key_or_purpose_serves_no_other_and_is_not_used_up(bench: DeviceBench) -> None:
    challenge = await bench.challenge(purpose=FACTORY)
    key = bench.phone.generate_key(challenge.challenge)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(bench.request(challenge, key.evidence))
    assert refused.value.reason is Reason.CHALLENGE_MISMATCH
    response = await bench.attest(bench.request(challenge, key.evidence, purpose=FACTORY))
    assert response.device.device_class == pb.DEVICE_CLASS_FACTORY

    bound = await bench.challenge(key_spki=key.spki)
    other = bench.phone.generate_key(bound.challenge)
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(bench.request(bound, other.evidence, key_spki=other.spki))
    assert refused.value.reason is Reason.CHALLENGE_MISMATCH
    response = await bench.attest(bench.request(bound, other.evidence))
    assert list(response.verdict.reasons) == ["KEY_MISMATCH"], "the challenge's key is expected where none is named"


async def test_a_device_can_not_say_that_it_is_in_the_factory(bench: DeviceBench) -> None:
    with pytest.raises(PermissionDenied):
        await bench.challenge(purpose=FACTORY, role=Role.DEVICE)


async def test_who_came_through_the_factory_stays_so(bench: DeviceBench) -> None:
    challenge = await bench.challenge(purpose=FACTORY)
    key = bench.phone.generate_key(challenge.challenge)
    await bench.attest(bench.request(challenge, key.evidence, purpose=FACTORY))
    again = await bench.same_challenge(challenge.challenge)
    response = await bench.attest(bench.request(again, key.evidence))
    assert response.device.device_class == pb.DEVICE_CLASS_FACTORY


async def test_software_is_the_lowest_class_and_never_passes_for_hardware(bench: DeviceBench) -> None:
    key = mldsa.MLDSA65PrivateKey.generate()
    challenge = await bench.challenge(purpose=SOFTWARE)
    statement = software_evidence(make_statement(key, challenge.challenge))
    refused = await bench.attest(attest_request(challenge, statement, purpose=SOFTWARE))
    assert refused.verdict.authentic
    assert not refused.verdict.appraised, "the strict policy takes no software"
    assert not refused.HasField("device")

    bench.policies.policy = Policy(software=SoftwarePolicy(allow=True))
    challenge = await bench.challenge(purpose=SOFTWARE)
    statement = software_evidence(make_statement(key, challenge.challenge))
    taken = await bench.attest(attest_request(challenge, statement, purpose=SOFTWARE))
    assert taken.device.device_class == pb.DEVICE_CLASS_SOFTWARE
    assert b'"ear_status":"warning"' in taken.result.payload

    challenge = await bench.challenge()
    statement = software_evidence(make_statement(key, challenge.challenge))
    first_boot = await bench.attest(attest_request(challenge, statement))
    assert list(first_boot.verdict.reasons) == ["PROVISIONING_MISMATCH"]
    assert not first_boot.HasField("device")


async def test_hardware_does_not_enrol_as_software(bench: DeviceBench) -> None:
    challenge = await bench.challenge(purpose=SOFTWARE)
    response = await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge), purpose=SOFTWARE))
    assert list(response.verdict.reasons) == ["PROVISIONING_MISMATCH"]


async def enrolled_app(bench: DeviceBench) -> tuple[AppleBench, pb.Device]:
    """An app whose key is enrolled by App Attest."""
    app = AppleBench.create(START)
    case = case_of(app, app.app.attest(CLIENT_DATA))
    bench.status.anchors = Anchors((*bench.status.anchors.items, *case.anchors.items))
    bench.policies.policy = case.policy
    challenge = await bench.challenge(key_spki=app.app.spki)
    response = await bench.attest(attest_request(challenge, app.app.attest(challenge.challenge)))
    assert response.HasField("device"), response.verdict
    return app, response.device


async def asserted(bench: DeviceBench, app: AppleBench, counter: int) -> pb.AttestDeviceResponse:
    challenge = await bench.challenge(purpose=ASSERTION)
    assertion = apple_app_assertion.evidence(app.app.sign(challenge.challenge, counter=counter))
    return await bench.attest(attest_request(challenge, assertion, purpose=ASSERTION, key_spki=app.app.spki))


async def test_an_assertion_shows_that_the_device_is_there_and_moves_its_counter(bench: DeviceBench) -> None:
    app, device = await enrolled_app(bench)
    bench.service.clock.advance(60)
    response = await asserted(bench, app, 7)
    assert response.verdict.appraised, response.verdict
    assert (response.device.name, response.device.counter) == (device.name, 7)
    assert response.device.assert_time.seconds == device.attest_time.seconds + 60
    assert response.device.attest_time == device.attest_time
    assert response.device.latest_verdict == device.latest_verdict, "the attestation stays what the device rests on"
    again = await asserted(bench, app, 7)
    assert list(again.verdict.reasons) == ["COUNTER_NOT_GREATER"]
    assert (await bench.get(device.name)).counter == 7


async def test_of_assertions_at_once_each_counter_counts_once(bench: DeviceBench) -> None:
    """Whatever the order in which they arrive, the stored counter is the greatest that was accepted."""
    app, device = await enrolled_app(bench)
    responses = await asyncio.gather(*(asserted(bench, app, counter) for counter in (1, 2, 3, 3, 2)))
    accepted = [response.device.counter for response in responses if response.verdict.appraised]
    assert sorted(set(accepted)) == sorted(accepted), "no counter was accepted twice"
    assert (await bench.get(device.name)).counter == max(accepted)
    refused = [response for response in responses if not response.verdict.appraised]
    assert all(list(response.verdict.reasons) == ["COUNTER_NOT_GREATER"] for response in refused)
    assert len(accepted) <= 3


async def test_an_assertion_by_a_key_nobody_enrolled_enrols_nothing(bench: DeviceBench) -> None:
    app = AppleBench.create(START)
    challenge = await bench.challenge(purpose=ASSERTION)
    assertion = apple_app_assertion.evidence(app.app.sign(challenge.challenge, counter=1))
    fields = {"purpose": ASSERTION, "key_spki": app.app.spki}
    response = await bench.attest(attest_request(challenge, assertion, **fields))
    assert response.verdict.authentic, "anybody's own key verifies its own signature"
    assert response.verdict.reasons[0] == "DEVICE_UNKNOWN"
    assert not response.HasField("device")


async def test_assertions_and_nothing_else_take_their_purpose(bench: DeviceBench) -> None:
    challenge = await bench.challenge(purpose=ASSERTION)
    with pytest.raises(InvalidArgument):
        await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge), purpose=ASSERTION))
    with pytest.raises(InvalidArgument):
        await bench.attest(attest_request(challenge, apple_app_assertion.evidence(b"x"), purpose=ASSERTION))


async def test_evidence_that_nobody_can_name_is_not_judged_and_costs_no_challenge(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    unnamed = pb.Evidence(parts=[pb.EvidencePart(name="evidence", data=b"\xa3\x01")])
    request = pb.AttestDeviceRequest(challenge=challenge.name, evidence=unnamed, request_id=str(uuid.uuid4()))
    with pytest.raises(InvalidArgument) as refused:
        await bench.attest(request)
    assert (refused.value.reason, refused.value.field) == (Reason.FIELD_INVALID, "evidence.parts")
    key = bench.phone.generate_key(challenge.challenge)
    response = await bench.attest(bench.request(challenge, key.evidence))
    assert response.verdict.appraised, "the challenge is still good"
