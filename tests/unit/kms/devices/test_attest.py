import asyncio
import hashlib
import json
import uuid
from datetime import timedelta

import cbor2
import pytest
import sqlalchemy as sa

from attestation.claims import BootVerification
from attestation.model import Evidence, Expectation, Format
from attestation.report import verdict_to_dict
from attestation.testing import VirtualPhone, VirtualVendor, status_list
from attestation.testing.broken import flip_bit
from attestation.verify import verify
from attestation.x509 import parse_certificate
from hallmark.v1 import common_pb2, devices_pb2, revocation_pb2
from kms.core.errors import InvalidArgument, NotFound, Reason, ResourceExhausted
from kms.devices import verification
from kms.devices.model import device_name
from kms.devices.settings import DevicesSettings
from kms.devices.wire import _struct_value
from support.clock import START
from unit.kms.devices.bench import ANDROID, DeviceBench


async def test_a_good_phone_becomes_a_device(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    response = await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki))
    verdict, device = response.verdict, response.device
    assert (verdict.authentic, verdict.appraised, list(verdict.reasons)) == (True, True, [])
    assert verdict.name.startswith("tenants/default/verdicts/")
    assert verdict.format == ANDROID
    assert verdict.detail == "the evidence is genuine and satisfies the policy"
    assert verdict.claims["security_level"] == "TEE"
    assert verdict.claims["boot"]["locked"] is True
    assert "KEY_BINDING" not in verdict.not_checked
    assert set(verdict.input_sha256) == {"evidence", "expectation", "anchors", "collateral", "policy"}
    assert verdict.verify_time.ToDatetime() == START.replace(tzinfo=None)
    assert device.name == str(device_name("default", key.spki))
    assert device.state == devices_pb2.DEVICE_STATE_ATTESTED
    assert device.key_spki == key.spki
    assert device.latest_verdict == verdict
    assert not response.replayed
    assert await bench.get(device.name) == device


async def test_without_a_key_the_binding_is_not_checked(bench: DeviceBench) -> None:
    response = await bench.attest_phone()
    assert response.verdict.appraised
    assert "KEY_BINDING" in response.verdict.not_checked


async def test_another_key_than_the_attested_one_is_refused(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    other = bench.phone.generate_key(challenge.challenge)
    request = bench.request(challenge, bench.phone.attest(challenge.challenge), key_spki=other.spki)
    response = await bench.attest(request)
    assert list(response.verdict.reasons) == ["KEY_MISMATCH"]
    assert not response.verdict.authentic
    assert not response.HasField("device")


async def test_an_unlocked_phone_is_authentic_but_not_appraised(bench: DeviceBench) -> None:
    unlocked = bench.phone.changed(locked=False, boot=BootVerification.UNVERIFIED)
    response = await bench.attest_phone(unlocked)
    assert (response.verdict.authentic, response.verdict.appraised) == (True, False)
    assert response.verdict.reasons[0] == "UNLOCKED_BOOTLOADER"
    assert response.verdict.detail
    assert not response.HasField("device")


async def test_a_tampered_chain_is_refused_and_the_device_is_not_made(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    leaf, *rest = key.evidence.named("certificate")
    tampered = Evidence.android((flip_bit(leaf, octet=-1), *rest))
    response = await bench.attest(bench.request(challenge, tampered))
    assert not response.verdict.authentic
    assert response.verdict.reasons[0] == "BAD_SIGNATURE"
    with pytest.raises(NotFound):
        await bench.get(str(device_name("default", key.spki)))


@pytest.mark.parametrize("certificates", [(b"",), (b"garbage",), (b"\x30\x80" * 1000,), (bytes(64 * 1024),)])
async def test_what_is_no_certificate_is_a_refusal_not_an_error(
    bench: DeviceBench, certificates: tuple[bytes, ...]
) -> None:
    challenge = await bench.challenge()
    response = await bench.attest(bench.request(challenge, Evidence.android(certificates)))
    assert not response.verdict.authentic
    assert response.verdict.reasons[0] in {"MALFORMED", "INCOMPLETE_CHAIN"}


async def test_an_unknown_root_is_refused(bench: DeviceBench) -> None:
    stranger = VirtualPhone.create(VirtualVendor.create(now=START), now=START)
    assert list((await bench.attest_phone(stranger)).verdict.reasons) == ["UNTRUSTED_ROOT"]


async def test_the_vendors_revocation_list_counts(bench: DeviceBench) -> None:
    serial = parse_certificate(bench.phone.attester.chain[0]).serial
    bench.status.put(status_list({serial: "REVOKED"}, fetched_at=START))
    assert "REVOKED" in (await bench.attest_phone()).verdict.reasons


async def test_without_a_list_or_with_an_old_one_it_fails_closed(bench: DeviceBench) -> None:
    bench.status.put(None)
    assert list((await bench.attest_phone()).verdict.reasons) == ["STATUS_LIST_MISSING"]
    bench.status.put(status_list({}, fetched_at=START - timedelta(days=1, seconds=1)))
    assert list((await bench.attest_phone()).verdict.reasons) == ["STATUS_LIST_STALE"]


def test_the_settings_decide_how_old_a_list_may_be() -> None:
    settings = DevicesSettings(status_max_age=timedelta(hours=2))
    assert settings.policy.android.status_list_max_age == timedelta(hours=2)
    formats = {form for anchor in settings.anchors.items for form in anchor.formats}
    assert {Format.ANDROID_KEY, Format.INTEL_TDX, Format.TPM, Format.APPLE_APP_ATTEST} <= formats


async def test_attesting_again_refreshes_the_device(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    first = await bench.attest(bench.request(challenge, key.evidence))
    bench.service.clock.advance(60)
    # The same key attests only the challenge it was made with; a server that restored a backup may ask it again.
    await bench.service.database.write(
        lambda tx: tx.execute(sa.text("UPDATE attestation_challenge SET consumed_by=NULL"))
    )
    second = await bench.attest(bench.request(challenge, key.evidence))
    assert second.device.name == first.device.name
    assert second.device.create_time == first.device.create_time
    assert second.device.update_time.ToDatetime() == (START + timedelta(seconds=60)).replace(tzinfo=None)
    assert second.device.latest_verdict == second.verdict != first.verdict
    assert await bench.get(first.device.name) == second.device


async def test_the_same_call_again_gets_the_same_answer(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    first = await bench.attest(request)
    bench.service.clock.advance(3600)
    again = await bench.attest(request)
    assert again.replayed
    again.replayed = False
    assert again == first


async def test_a_refusal_is_replayed_too(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(b"something else"))
    first = await bench.attest(request)
    again = await bench.attest(request)
    assert again.replayed
    assert again.verdict == first.verdict


async def test_the_same_call_many_times_at_once_has_one_verdict(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    responses = await asyncio.gather(*(bench.attest(request) for _ in range(5)))
    assert len({response.verdict.name for response in responses}) == 1
    assert sum(not response.replayed for response in responses) == 1


async def test_different_calls_with_one_challenge_have_one_winner(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    requests = [bench.request(challenge, bench.phone.attest(challenge.challenge)) for _ in range(5)]
    results = await asyncio.gather(*map(bench.attest, requests), return_exceptions=True)
    assert sum(isinstance(result, devices_pb2.AttestDeviceResponse) for result in results) == 1
    refusals = [result for result in results if isinstance(result, Exception)]
    assert {getattr(refusal, "reason", refusal) for refusal in refusals} == {Reason.CHALLENGE_USED}


@pytest.mark.parametrize("good", [True, False])
async def test_the_log_entry_holds_outcome_and_digests_only(bench: DeviceBench, good: bool) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge if good else b"something else")
    response = await bench.attest(bench.request(challenge, key.evidence))
    verdict, entry = response.verdict, json.loads(response.log.entry)
    assert response.log.leaf_hash == hashlib.sha256(b"\0" + response.log.entry).digest()
    assert entry["type"] == ("device.attested" if good else "device.refused")
    assert entry["subject"] == verdict.name
    assert entry["details"] == {
        "format": "android-key",
        "authentic": good,
        "appraised": good,
        "reasons": list(verdict.reasons),
        "not_checked": list(verdict.not_checked),
        "evidence_sha256": verdict.input_sha256["evidence"],
        "input_sha256": dict(verdict.input_sha256),
        "result_sha256": hashlib.sha256(response.result.payload).hexdigest(),
        **({"device_class": "hardware"} if good else {}),
    }
    serials = [parse_certificate(der).serial for der in key.evidence.named("certificate")]
    for personal in (*serials[1:], hashlib.sha256(key.spki).hexdigest(), challenge.challenge.hex()):
        assert personal.encode() not in response.log.entry


async def test_waiting_for_the_log_brings_the_proof(bench: DeviceBench) -> None:
    waiting = asyncio.create_task(bench.attest_phone(log_wait=common_pb2.LOG_WAIT_PUBLISHED))
    while not waiting.done():
        await bench.service.log.step()
        await asyncio.sleep(0.01)
    assert (await waiting).log.tlog_proof


async def test_a_stored_verdict_can_be_replayed(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    response = await bench.attest(bench.request(challenge, key.evidence, key_spki=key.spki))
    row = await bench.service.database.read(lambda tx: tx.execute(sa.text("SELECT * FROM attestation_verdict")).one())
    stored = json.loads(row.verdict)
    settings = DevicesSettings(trust_anchors=bench.vendor.anchors.items)
    again = verify(
        Evidence.android(tuple(der for _, der in cbor2.loads(row.evidence))),
        expectation=Expectation(row.challenge, row.key_spki),
        anchors=settings.anchors,
        collateral=bench.status.collateral,
        policy=settings.policy,
        at=START,
    )
    report = verdict_to_dict(again)
    assert report["inputs"] == stored["input_sha256"] == dict(response.verdict.input_sha256)
    assert report["claims"] == stored["claims"]


async def test_a_revoked_device_stays_revoked(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    key = bench.phone.generate_key(challenge.challenge)
    device = (await bench.attest(bench.request(challenge, key.evidence))).device
    event = (await bench.service.revoke(device.name, revocation_pb2.REVOCATION_REASON_DEVICE_LOST)).event
    assert event.subject == device.name
    assert b'"credential_type":"device-key"' in event.payload
    revoked = await bench.get(device.name)
    assert revoked.state == devices_pb2.DEVICE_STATE_REVOKED
    assert revoked.latest_verdict == device.latest_verdict
    await bench.service.database.write(
        lambda tx: tx.execute(sa.text("UPDATE attestation_challenge SET consumed_by=NULL"))
    )
    response = await bench.attest(bench.request(challenge, key.evidence))
    assert (response.verdict.authentic, response.verdict.appraised) == (True, False)
    assert list(response.verdict.reasons) == ["DEVICE_REVOKED"]
    assert "revoked" in response.verdict.detail
    assert not response.HasField("device")
    assert json.loads(response.log.entry)["type"] == "device.refused"
    assert await bench.get(device.name) == revoked
    assert (await bench.attest_phone()).verdict.appraised, "a new key is a new device"


async def test_forged_evidence_does_not_learn_that_a_device_was_revoked(bench: DeviceBench) -> None:
    key, device = await bench.enrol()
    await bench.service.revoke(device.name)
    challenge = await bench.challenge()
    response = await bench.attest(bench.request(challenge, key.evidence))
    assert list(response.verdict.reasons) == ["CHALLENGE_MISMATCH"]


async def test_devices_belong_to_their_tenant(bench: DeviceBench) -> None:
    key, device = await bench.enrol()
    with pytest.raises(NotFound):
        await bench.get(device.name, tenant="other")
    with pytest.raises(NotFound):
        await bench.get(str(device_name("default", b"another key")))
    with pytest.raises(NotFound):
        await bench.service.revoke(device.name, tenant="other")
    assert device_name("other", key.spki).id != device_name("default", key.spki).id


def test_device_names_are_stable() -> None:
    """Computed by hand from the documented rule: SHA-256, first 16 bytes, version 8, variant 10."""
    digest = hashlib.sha256(b"hallmark/device-id/v1\0default\0key").hexdigest()
    variant = f"{int(digest[16], 16) & 3 | 8:x}"
    expected = f"{digest[:8]}-{digest[8:12]}-8{digest[13:16]}-{variant}{digest[17:20]}-{digest[20:32]}"
    assert device_name("default", b"key").id == expected
    assert uuid.UUID(expected).version == 8


@pytest.mark.parametrize(
    ("evidence", "reason"),
    [
        ({"format": ANDROID, "certificates": [b"x"] * 9}, Reason.EVIDENCE_TOO_LARGE),
        ({"format": ANDROID, "certificates": [bytes(64 * 1024), b"x"]}, Reason.EVIDENCE_TOO_LARGE),
        ({"format": ANDROID, "certificates": []}, Reason.FIELD_INVALID),
        ({"certificates": [b"x"]}, Reason.FIELD_INVALID),
        ({"format": 77, "certificates": [b"x"]}, Reason.FIELD_INVALID),
    ],
)
async def test_bad_evidence_leaves_the_challenge_unused(bench: DeviceBench, evidence: dict, reason: Reason) -> None:
    challenge = await bench.challenge()
    bad = devices_pb2.AttestDeviceRequest(
        challenge=challenge.name, evidence=devices_pb2.Evidence(**evidence), request_id=str(uuid.uuid4())
    )
    with pytest.raises(InvalidArgument) as refused:
        await bench.attest(bad)
    assert refused.value.reason is reason
    assert (await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge)))).verdict.appraised


async def test_a_key_that_is_too_large(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    with pytest.raises(InvalidArgument) as refused:
        await bench.attest(bench.request(challenge, bench.phone.attest(bytes(32)), key_spki=bytes(8193)))
    assert refused.value.field == "key_spki"


async def test_a_flood_is_refused_and_the_challenge_can_be_used_by_a_retry(
    bench: DeviceBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    with monkeypatch.context() as patch:
        patch.setattr(verification, "WAITING_MAX", 0)
        with pytest.raises(ResourceExhausted) as refused:
            await bench.attest(request)
    assert refused.value.reason is Reason.QUEUE_FULL
    assert (await bench.attest(request)).verdict.appraised


def test_large_integers_keep_their_digits() -> None:
    assert _struct_value({"a": [2**53, 2**53 + 1, True], "b": {"c": -(2**64)}}) == {
        "a": [2**53, "9007199254740993", True],
        "b": {"c": "-18446744073709551616"},
    }
