import uuid
from dataclasses import replace

import pytest

from hallmark_client import (
    ChallengePurpose,
    Client,
    DeviceClass,
    DeviceState,
    Evidence,
    EvidenceFormat,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
    SignatureInvalid,
)


@pytest.fixture
def device(client_under_test) -> Client:
    return client_under_test("device")


def test_a_challenge_is_fresh(device: Client) -> None:
    first, second = device.devices.create_challenge(), device.devices.create_challenge()
    assert len(first.challenge) == 32
    assert first.challenge != second.challenge
    assert first.name != second.name


def test_a_challenge_call_can_be_retried(device: Client) -> None:
    request_id = str(uuid.uuid4())
    first = device.devices.create_challenge(request_id=request_id)
    assert device.devices.create_challenge(request_id=request_id) == first


def test_a_genuine_device_is_enrolled(server, admin: Client, device: Client) -> None:
    challenge = device.devices.create_challenge()
    certificates, spki = server.attest(challenge.challenge)
    answer = device.devices.attest(challenge.name, certificates, key_spki=spki)
    assert answer.verdict.authentic, answer.verdict
    assert answer.verdict.appraised, answer.verdict
    assert answer.verdict.reasons == ()
    assert answer.verdict.format is EvidenceFormat.ANDROID_KEY
    assert answer.device is not None
    assert answer.device.state is DeviceState.ATTESTED
    assert answer.device.key_spki == spki
    assert admin.devices.get(answer.device.name).latest_verdict.name == answer.verdict.name
    assert admin.devices.get(answer.device.name.rpartition("/")[2]).name == answer.device.name


def test_tampered_evidence_is_answered_with_a_refusal(server, device: Client) -> None:
    challenge = device.devices.create_challenge()
    certificates, _ = server.attest(challenge.challenge)
    leaf = bytearray(certificates[0])
    leaf[-1] ^= 1
    answer = device.devices.attest(challenge.name, [bytes(leaf), *certificates[1:]])
    assert (answer.verdict.authentic, answer.verdict.appraised) == (False, False)
    assert answer.verdict.reasons == ("BAD_SIGNATURE",)
    assert answer.verdict.detail
    assert answer.device is None
    assert answer.log.leaf_hash, "a refusal is logged too"


def test_evidence_for_another_challenge_is_refused(server, device: Client) -> None:
    certificates, _ = server.attest(bytes(32))
    answer = device.devices.attest(device.devices.create_challenge().name, certificates)
    assert not answer.verdict.authentic
    assert "CHALLENGE_MISMATCH" in answer.verdict.reasons


def test_evidence_about_another_key_is_refused(server, device: Client) -> None:
    challenge = device.devices.create_challenge()
    certificates, _ = server.attest(challenge.challenge)
    _, other_key = server.attest(challenge.challenge)
    answer = device.devices.attest(challenge.name, certificates, key_spki=other_key)
    assert not answer.verdict.authentic
    assert "KEY_MISMATCH" in answer.verdict.reasons


@pytest.mark.parametrize("certificates", [[b"no certificate"], [b"0\x82"], [bytes(1000)] * 3])
def test_garbage_is_a_refusal_and_no_failure(device: Client, certificates: list[bytes]) -> None:
    answer = device.devices.attest(device.devices.create_challenge().name, certificates)
    assert answer.verdict.reasons == ("MALFORMED",)
    assert not answer.verdict.authentic


def test_a_challenge_is_good_once(server, device: Client) -> None:
    challenge = device.devices.create_challenge()
    certificates, _ = server.attest(challenge.challenge)
    device.devices.attest(challenge.name, certificates)
    with pytest.raises(FailedPrecondition) as refused:
        device.devices.attest(challenge.name, certificates)
    assert refused.value.reason == "CHALLENGE_USED"


def test_an_attestation_can_be_retried(server, device: Client) -> None:
    challenge, request_id = device.devices.create_challenge(), str(uuid.uuid4())
    certificates, _ = server.attest(challenge.challenge)
    first = device.devices.attest(challenge.name, certificates, request_id=request_id)
    again = device.devices.attest(challenge.name, certificates, request_id=request_id)
    assert again.replayed
    assert again.verdict == first.verdict


def test_unknown_challenges_and_devices_are_not_found(admin: Client) -> None:
    unknown = str(uuid.uuid4())
    with pytest.raises(NotFound):
        admin.devices.attest(unknown, [b""])
    with pytest.raises(NotFound):
        admin.devices.get(unknown)


def test_too_much_evidence_is_refused_before_it_is_read(device: Client) -> None:
    challenge = device.devices.create_challenge()
    for certificates in ([bytes(64 * 1024 + 1)], [b"x"] * 9):
        with pytest.raises(InvalidArgument) as refused:
            device.devices.attest(challenge.name, certificates)
        assert refused.value.reason == "EVIDENCE_TOO_LARGE"


def test_a_revoked_device_stays_revoked(server, admin: Client, device: Client) -> None:
    challenge = device.devices.create_challenge()
    certificates, _ = server.attest(challenge.challenge)
    enrolled = device.devices.attest(challenge.name, certificates).device
    assert enrolled is not None
    event = admin.revocations.revoke(enrolled.name, "DEVICE_LOST")
    assert event.subject == enrolled.name
    assert admin.devices.get(enrolled.name).state is DeviceState.REVOKED


def test_an_auditor_does_not_attest(client_under_test) -> None:
    with pytest.raises(PermissionDenied):
        client_under_test("auditor").devices.create_challenge()


def test_a_challenge_is_for_one_purpose_and_one_key(server, admin: Client) -> None:
    _, spki = server.attest(bytes(32))
    bound = admin.devices.create_challenge(purpose="FACTORY", key_spki=spki)
    assert (bound.purpose, bound.key_spki) == (ChallengePurpose.FACTORY, spki)
    certificates, other = server.attest(bound.challenge)
    for arguments in ({}, {"purpose": "FACTORY", "key_spki": other}):
        with pytest.raises(FailedPrecondition) as refused:
            admin.devices.attest(bound.name, certificates, **arguments)
        assert refused.value.reason == "CHALLENGE_MISMATCH"
    answer = admin.devices.attest(bound.name, certificates, purpose="FACTORY")
    assert "KEY_MISMATCH" in answer.verdict.reasons, "a refusal for the wrong purpose does not use it up"


def test_the_factory_is_recorded(server, admin: Client) -> None:
    challenge = admin.devices.create_challenge(purpose=ChallengePurpose.FACTORY)
    certificates, _ = server.attest(challenge.challenge)
    answer = admin.devices.attest(challenge.name, Evidence(certificates=certificates), purpose="FACTORY")
    assert answer.device is not None
    assert answer.device.device_class is DeviceClass.FACTORY
    assert answer.device.name in {device.name for device in admin.devices.list(device_class="FACTORY")}
    assert answer.device.name not in {device.name for device in admin.devices.list(device_class="HARDWARE")}
    assert answer.device.name in {device.name for device in admin.devices.list(state=DeviceState.ATTESTED)}


def test_a_verdict_is_signed_for_relying_parties_and_can_be_judged_again(server, admin: Client, device: Client) -> None:
    challenge = device.devices.create_challenge()
    certificates, spki = server.attest(challenge.challenge)
    answer = device.devices.attest(challenge.name, certificates, key_spki=spki)
    verdict = admin.devices.verdict(answer.verdict.name)
    assert verdict.result == answer.result
    signer = answer.result.signature.key_version
    assert signer.startswith("tenants/system/keys/attestation-results/versions/")
    trusted = {signer: admin.keys.public_key(signer).composite()}
    claims = answer.result.verify(trusted)
    assert claims["eat_profile"] == "tag:ietf.org,2026:rats/ear#04"
    assert claims["submods"]["device"]["ear_status"] == "affirming"
    with pytest.raises(SignatureInvalid):
        replace(answer.result, payload=answer.result.payload.replace(b"affirming", b"warning")).verify(trusted)
    replayed = admin.devices.replay(answer.verdict.name)
    assert replayed.differences == ()
    assert replayed.replayed.reasons == verdict.reasons


def test_unknown_verdicts_are_not_found(admin: Client) -> None:
    for call in (admin.devices.verdict, admin.devices.replay):
        with pytest.raises(NotFound):
            call(str(uuid.uuid4()))


def test_a_device_reads_no_list(device: Client) -> None:
    with pytest.raises(PermissionDenied):
        list(device.devices.list())
