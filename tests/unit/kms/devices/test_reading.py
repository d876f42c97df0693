"""Lists, verdicts with their signed results, replays."""

import base64
import json
import uuid
from dataclasses import replace

import pytest
import sqlalchemy as sa
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hallmark.v1 import devices_pb2 as pb
from hallmark_composite import verify
from kms.core.database import metadata
from kms.core.errors import FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.core.names import KeyName
from kms.devices.results import CLASSICAL_KEY_ID, RESULT_CONTEXT, SIGNING_KEY_ID
from kms.keys.public_keys import load_public_key
from unit.kms.devices.bench import DeviceBench


async def _list(bench: DeviceBench, **fields) -> pb.ListDevicesResponse:
    request = pb.ListDevicesRequest(parent="tenants/default", **fields)
    return await bench.servicer.ListDevices(request, bench.service.call("ListDevices"))


async def _verdict(bench: DeviceBench, name: str, **who) -> pb.Verdict:
    return await bench.servicer.GetVerdict(pb.GetVerdictRequest(name=name), bench.service.call("GetVerdict", **who))


async def _replay(bench: DeviceBench, name: str) -> pb.ReplayVerdictResponse:
    request = pb.ReplayVerdictRequest(name=name)
    return await bench.servicer.ReplayVerdict(request, bench.service.call("ReplayVerdict"))


async def test_devices_come_in_pages(bench: DeviceBench) -> None:
    names = sorted([(await bench.enrol())[1].name for _ in range(5)])
    first = await _list(bench, page_size=2)
    second = await _list(bench, page_size=2, page_token=first.next_page_token)
    third = await _list(bench, page_size=2, page_token=second.next_page_token)
    assert [device.name for page in (first, second, third) for device in page.devices] == names
    assert not third.next_page_token
    assert first.devices[0] == await bench.get(names[0])


async def test_devices_by_state_and_class(bench: DeviceBench) -> None:
    _, device = await bench.enrol()
    await bench.enrol()
    table = metadata.tables["device"]
    gone = table.update().where(table.c.id == device.name.rpartition("/")[2]).values(state="revoked")
    await bench.service.database.write(lambda tx: tx.execute(gone))
    revoked = await _list(bench, state=pb.DEVICE_STATE_REVOKED)
    assert [found.name for found in revoked.devices] == [device.name]
    assert len((await _list(bench, device_class=pb.DEVICE_CLASS_HARDWARE)).devices) == 2
    assert not (await _list(bench, device_class=pb.DEVICE_CLASS_SOFTWARE)).devices
    with pytest.raises(InvalidArgument):
        await _list(bench, state=77)
    with pytest.raises(InvalidArgument):
        await _list(bench, page_token="!")


async def test_a_verdict_comes_with_both_signatures_over_the_same_bytes(bench: DeviceBench) -> None:
    response = await bench.attest_phone()
    verdict = await _verdict(bench, response.verdict.name)
    assert verdict.result == response.result
    payload, signature = verdict.result.payload, verdict.result.signature
    assert signature.context == RESULT_CONTEXT
    key = await bench.service.keys.get(KeyName("system", SIGNING_KEY_ID))
    public = key.versions[0].public_key
    verify(public, signature.signature, message=payload, context=RESULT_CONTEXT.encode())

    header, body, signed = verdict.result.jwt.split(".")
    assert _decoded(body) == payload
    classical = await bench.service.keys.get(KeyName("system", CLASSICAL_KEY_ID))
    version = classical.versions[0]
    assert json.loads(_decoded(header)) == {"alg": "ES256", "kid": str(version.name), "typ": "eat+jwt"}
    raw = _decoded(signed)
    halves = encode_dss_signature(int.from_bytes(raw[:32]), int.from_bytes(raw[32:]))
    es256 = load_public_key(version.algorithm, version.public_bytes)
    assert isinstance(es256, ec.EllipticCurvePublicKey)
    es256.verify(halves, f"{header}.{body}".encode(), ec.ECDSA(hashes.SHA256()))

    claims = json.loads(payload)
    device = claims["submods"]["device"]
    assert claims["eat_profile"] == "tag:ietf.org,2026:rats/ear#04"
    assert device["ear_status"] == "affirming"
    assert device["ear_trustworthiness_vector"]["hardware"] == 2
    assert device["hallmark_verdict"]["subject"] == response.device.name
    assert device["hallmark_verdict"]["name"] == verdict.name
    assert claims["exp"] - claims["iat"] == 3600


def _decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


async def test_a_refusal_is_signed_too(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    response = await bench.attest(bench.request(challenge, bench.phone.attest(b"something else")))
    device = json.loads(response.result.payload)["submods"]["device"]
    assert device["ear_status"] == "contraindicated"
    assert device["hallmark_verdict"]["reasons"] == ["CHALLENGE_MISMATCH"]
    assert "subject" not in device["hallmark_verdict"]
    assert (await _verdict(bench, response.verdict.name)).result == response.result


async def test_verdicts_belong_to_their_tenant(bench: DeviceBench) -> None:
    name = (await bench.attest_phone()).verdict.name
    with pytest.raises(NotFound):
        await _verdict(bench, name, tenant="other")
    with pytest.raises(NotFound):
        await _verdict(bench, f"tenants/default/verdicts/{uuid.uuid4()}")


async def test_a_replay_years_later_is_the_same_whatever_is_in_force_by_then(bench: DeviceBench) -> None:
    good = (await bench.attest_phone()).verdict
    bad = (await bench.attest_phone(bench.phone.changed(locked=False))).verdict
    strict = replace(bench.policies.policy.android, min_os_patch_level=209912)
    bench.policies.policy = replace(bench.policies.policy, name="of the future", android=strict)
    bench.status.put(None)
    bench.service.clock.advance(10 * 365 * 86400)
    for verdict in (good, bad):
        replay = await _replay(bench, verdict.name)
        assert not replay.differences
        assert replay.recorded == verdict
        assert replay.replayed.reasons == verdict.reasons
        assert replay.replayed.input_sha256 == verdict.input_sha256


async def test_a_replay_says_what_was_changed(bench: DeviceBench) -> None:
    """Somebody with the database in hand makes a refusal look good."""
    verdict = (await bench.attest_phone(bench.phone.changed(locked=False))).verdict
    table = metadata.tables["attestation_verdict"]
    forged = sa.func.replace(table.c.verdict, "UNLOCKED_BOOTLOADER", "TAGS_UNORDERED")
    await bench.service.database.write(lambda tx: tx.execute(table.update().values(verdict=forged)))
    replay = await _replay(bench, verdict.name)
    assert len(replay.differences) == 1
    assert replay.differences[0].startswith("reasons: ['TAGS_UNORDERED'")


@pytest.mark.parametrize("loss", ["collateral bytes", "documents", "changed policy"])
async def test_an_archive_with_holes_says_so(bench: DeviceBench, loss: str) -> None:
    name = (await bench.attest_phone()).verdict.name
    table = metadata.tables["attestation_input"]
    match loss:
        case "collateral bytes":
            bench.status.archive.clear()
        case "documents":
            await bench.service.database.write(lambda tx: tx.execute(table.delete()))
        case _:
            changed = sa.func.replace(table.c.document, '"require_locked":true', '"require_locked":false')
            await bench.service.database.write(lambda tx: tx.execute(table.update().values(document=changed)))
    with pytest.raises(FailedPrecondition) as refused:
        await _replay(bench, name)
    assert refused.value.reason is Reason.ARCHIVE_INCOMPLETE


async def test_what_verdicts_rest_on_is_kept_once(bench: DeviceBench) -> None:
    for _ in range(3):
        await bench.attest_phone()
    count = sa.text("SELECT count(*) FROM attestation_input")
    assert await bench.service.database.read(lambda tx: tx.execute(count).scalar_one()) == 3
