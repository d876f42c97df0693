import uuid
from datetime import timedelta

import pytest

from hallmark.v1 import devices_pb2
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason
from kms.core.identity import Role
from support.clock import START
from unit.kms.devices.bench import DeviceBench


async def test_a_challenge_is_32_fresh_bytes_for_five_minutes(bench: DeviceBench) -> None:
    first, second = await bench.challenge(), await bench.challenge()
    assert first.name.startswith("tenants/default/challenges/")
    assert len(first.challenge) == 32
    assert first.challenge != second.challenge
    assert first.expire_time.ToDatetime() == (START + timedelta(minutes=5)).replace(tzinfo=None)


async def test_the_same_call_gets_the_same_challenge(bench: DeviceBench) -> None:
    request_id = str(uuid.uuid4())
    first = await bench.challenge(request_id=request_id)
    assert await bench.challenge(request_id=request_id) == first
    with pytest.raises(AlreadyExists) as refused:
        await bench.attest(bench.request(first, bench.phone.attest(first.challenge), request_id=request_id))
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


async def test_a_challenge_works_once(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    evidence = bench.phone.attest(challenge.challenge)
    assert (await bench.attest(bench.request(challenge, evidence))).verdict.appraised
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(bench.request(challenge, evidence))
    assert refused.value.reason is Reason.CHALLENGE_USED


async def test_a_refused_attempt_uses_it_too(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    refusal = await bench.attest(bench.request(challenge, bench.phone.attest(b"something else")))
    assert refusal.verdict.reasons == ["CHALLENGE_MISMATCH"]
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge)))
    assert refused.value.reason is Reason.CHALLENGE_USED


@pytest.mark.parametrize(("seconds", "works"), [(299, True), (300, False), (86_000, False)])
async def test_a_challenge_expires(bench: DeviceBench, seconds: int, works: bool) -> None:
    challenge = await bench.challenge()
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    bench.service.clock.advance(seconds)
    if works:
        assert (await bench.attest(request)).verdict.appraised
        return
    with pytest.raises(FailedPrecondition) as refused:
        await bench.attest(request)
    assert refused.value.reason is Reason.CHALLENGE_EXPIRED


async def test_old_challenges_are_forgotten(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    bench.service.clock.advance(2 * 86_400)
    await bench.challenge()
    with pytest.raises(NotFound):
        await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge)))


async def test_a_challenge_is_for_the_caller_who_asked(bench: DeviceBench) -> None:
    challenge = await bench.challenge(role=Role.DEVICE, name="phone-1")
    request = bench.request(challenge, bench.phone.attest(challenge.challenge))
    with pytest.raises(NotFound) as refused:
        await bench.attest(request, role=Role.DEVICE, name="phone-2")
    assert refused.value.message == f"{challenge.name} was not found"
    assert (await bench.attest(request, role=Role.DEVICE, name="phone-1")).verdict.appraised


async def test_other_tenants_see_nothing(bench: DeviceBench) -> None:
    challenge = await bench.challenge()
    with pytest.raises(NotFound):
        await bench.attest(bench.request(challenge, bench.phone.attest(challenge.challenge)), tenant="other")
    request = devices_pb2.CreateChallengeRequest(parent="tenants/other", request_id=str(uuid.uuid4()))
    with pytest.raises(NotFound):
        await bench.servicer.CreateChallenge(request, bench.service.call("CreateChallenge"))


@pytest.mark.parametrize(
    "name",
    ["", "tenants/default/challenges/1", "tenants/default/devices/0190c2a4-0000-7000-8000-000000000001"],
)
async def test_names(bench: DeviceBench, name: str) -> None:
    challenge = devices_pb2.Challenge(name=name, challenge=bytes(32))
    with pytest.raises(InvalidArgument) as refused:
        await bench.attest(bench.request(challenge, bench.phone.attest(bytes(32))))
    assert refused.value.reason is Reason.NAME_INVALID


async def test_an_unknown_challenge(bench: DeviceBench) -> None:
    name = "tenants/default/challenges/0190c2a4-0000-7000-8000-000000000001"
    with pytest.raises(NotFound):
        await bench.attest(bench.request(devices_pb2.Challenge(name=name), bench.phone.attest(bytes(32))))
