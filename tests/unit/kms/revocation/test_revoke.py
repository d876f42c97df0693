import asyncio
import hashlib
import json
import uuid
from datetime import timedelta

import pytest

from hallmark.v1 import common_pb2, revocation_pb2
from hallmark_composite import InvalidSignature, verify
from hsm.errors import TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, Reason, Unavailable
from kms.core.identity import Role
from kms.core.names import KeyName
from kms.keys.model import KeyVersionState, signing_version
from kms.revocation.wire import reason_from_wire
from support.clock import START
from unit.kms.revocation.bench import Bench

EVENT_CONTEXT = b"hallmark/revocation-event/v1"


def _check_signature(bench: Bench, event: revocation_pb2.RevocationEvent) -> None:
    verify(bench.public_key, event.signature.signature, message=event.payload, context=EVENT_CONTEXT)


async def test_a_key_is_revoked_with_a_signed_event(bench: Bench) -> None:
    await bench.create_key("manifest")
    response = await bench.revoke("tenants/default/keys/manifest", revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE)
    event = response.event
    assert not response.replayed
    assert event.name.startswith("tenants/default/revocations/")
    assert event.subject == "tenants/default/keys/manifest"
    assert event.reason == revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE
    assert event.initiating_entity == common_pb2.INITIATING_ENTITY_ADMIN
    assert event.event_time.ToDatetime() == event.effective_time.ToDatetime() == START.replace(tzinfo=None)
    assert event.signature.key_version == "tenants/system/keys/revocation-events/versions/1"
    assert event.signature.context.encode() == EVENT_CONTEXT
    _check_signature(bench, event)
    claims = json.loads(event.payload)
    assert claims["jti"] == event.name.rpartition("/")[2] == event.log.event_key
    assert claims["txn"].startswith("call-")
    assert claims["sub_id"]["id"] == event.subject


async def test_the_signature_covers_payload_and_purpose(bench: Bench) -> None:
    (event,) = await bench.revoke_keys("manifest")
    changed = event.payload.replace(b"manifest", b"manifesto")
    with pytest.raises(InvalidSignature):
        verify(bench.public_key, event.signature.signature, message=changed, context=EVENT_CONTEXT)
    with pytest.raises(InvalidSignature):
        verify(bench.public_key, event.signature.signature, message=event.payload, context=b"hallmark/heartbeat/v1")


async def test_the_log_entry_holds_digests_only(bench: Bench) -> None:
    (event,) = await bench.revoke_keys("manifest")
    entry = json.loads(event.log.entry)
    assert event.log.leaf_hash == hashlib.sha256(b"\0" + event.log.entry).digest()
    assert entry["type"] == "revocation.created"
    assert entry["subject"] == event.subject
    assert entry["details"] == {
        "effective_time": "2026-11-21T12:00:00.000000Z",
        "initiating_entity": "admin",
        "payload_sha256": hashlib.sha256(event.payload).hexdigest(),
        "reason": "SUPERSEDED",
        "signed_by": "tenants/system/keys/revocation-events/versions/1",
    }


async def test_a_revoked_key_does_not_sign(bench: Bench) -> None:
    await bench.create_key("manifest")
    await bench.revoke("tenants/default/keys/manifest", revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE)
    key = await bench.keys.get(KeyName("default", "manifest"))
    assert key.revoke_time == START
    assert key.versions[0].state is KeyVersionState.COMPROMISED
    with pytest.raises(FailedPrecondition) as refused:
        signing_version(key, None, START)
    assert refused.value.reason is Reason.KEY_REVOKED


async def test_a_version_can_be_revoked_alone(bench: Bench) -> None:
    await bench.create_key("manifest")
    await bench.revoke("tenants/default/keys/manifest/versions/1")
    key = await bench.keys.get(KeyName("default", "manifest"))
    assert key.revoke_time is None
    assert key.versions[0].state is KeyVersionState.DEACTIVATED
    whole = await bench.revoke("tenants/default/keys/manifest")
    assert not whole.replayed, "the key is another subject than its version"


async def test_the_effective_time_may_lie_in_the_past(bench: Bench) -> None:
    key = await bench.create_key("manifest")
    request = revocation_pb2.RevokeRequest(
        subject=str(key.name), reason=revocation_pb2.REVOCATION_REASON_SUPERSEDED, request_id=str(uuid.uuid4())
    )
    request.effective_time.FromDatetime(START - timedelta(days=2))
    response = await bench.servicer.Revoke(request, bench.call("Revoke"))
    assert response.event.effective_time == request.effective_time
    assert b'"effective_time":"2026-11-19T12:00:00.000000Z"' in response.event.payload
    assert (await bench.keys.get(key.name)).revoke_time == START - timedelta(days=2)


async def test_the_same_call_again_gets_the_same_event(bench: Bench) -> None:
    await bench.create_key("manifest")
    request_id = str(uuid.uuid4())
    first = await bench.revoke("tenants/default/keys/manifest", request_id=request_id)
    bench.clock.advance(60)
    signatures = bench.provider.signatures_released
    again = await bench.revoke("tenants/default/keys/manifest", request_id=request_id)
    assert again.replayed
    assert again.event == first.event
    assert bench.provider.signatures_released == signatures


async def test_revoking_twice_is_answered_with_the_first_event(bench: Bench) -> None:
    await bench.create_key("manifest")
    first = await bench.revoke("tenants/default/keys/manifest")
    bench.clock.advance(60)
    request_id = str(uuid.uuid4())
    again = await bench.revoke(
        "tenants/default/keys/manifest", revocation_pb2.REVOCATION_REASON_WITHDRAWN, request_id=request_id
    )
    assert again.replayed
    assert again.event == first.event
    assert len((await bench.list()).events) == 1
    with pytest.raises(AlreadyExists) as refused:
        await bench.revoke("tenants/default/keys/manifest", request_id=request_id)
    assert refused.value.reason is Reason.REQUEST_ID_REUSED


async def test_revoked_by_many_at_once_there_is_one_event(bench: Bench) -> None:
    await bench.create_key("manifest")
    responses = await asyncio.gather(*(bench.revoke("tenants/default/keys/manifest") for _ in range(8)))
    assert len({response.event.name for response in responses}) == 1
    assert sorted(response.replayed for response in responses) == [False, *[True] * 7]


async def test_waiting_for_the_log_brings_the_proof(bench: Bench) -> None:
    await bench.create_key("manifest")
    waiting = asyncio.create_task(bench.revoke("tenants/default/keys/manifest", log_wait=common_pb2.LOG_WAIT_PUBLISHED))
    while not waiting.done():
        await bench.log.step()
        await asyncio.sleep(0.01)
    response = await waiting
    assert response.event.log.HasField("leaf_index")
    assert response.event.log.tlog_proof.startswith(b"c2sp.org/tlog-proof@v1\n")


@pytest.mark.parametrize(
    "subject",
    [
        "tenants/default/keys/missing",
        "tenants/default/keys/manifest/versions/2",
        "tenants/default/devices/0190c2a4-0000-7000-8000-000000000001",
        "tenants/other/keys/manifest",
        "tenants/system/keys/revocation-events",
    ],
)
async def test_what_is_not_there_or_not_ours_is_not_found(bench: Bench, subject: str) -> None:
    await bench.create_key("manifest")
    await bench.create_key("manifest", tenant="other")
    signatures = bench.provider.signatures_released
    with pytest.raises(NotFound) as refused:
        await bench.revoke(subject)
    assert refused.value.message == f"{subject} was not found"
    assert bench.provider.signatures_released == signatures, "nothing is signed for it"
    assert not (await bench.list()).events


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"reason": revocation_pb2.REVOCATION_REASON_UNSPECIFIED}, "reason"),
        ({"reason": 99}, "reason"),
        ({"request_id": "not-a-uuid"}, "request_id"),
        ({"effective_time": {"seconds": 4_000_000_000}}, "effective_time"),
        ({"effective_time": {"seconds": 1}}, "effective_time"),
        ({"effective_time": {"seconds": 10**15}}, "effective_time"),
        ({"effective_time": {"seconds": 1_790_000_000, "nanos": -5}}, "effective_time"),
        ({"log_wait": 9}, "log_wait"),
    ],
)
async def test_bad_requests(bench: Bench, changes: dict, field: str) -> None:
    await bench.create_key("manifest")
    good = {
        "subject": "tenants/default/keys/manifest",
        "reason": revocation_pb2.REVOCATION_REASON_SUPERSEDED,
        "request_id": str(uuid.uuid4()),
    }
    with pytest.raises(InvalidArgument) as refused:
        await bench.servicer.Revoke(revocation_pb2.RevokeRequest(**good | changes), bench.call("Revoke"))
    assert refused.value.field == field
    assert not (await bench.list()).events


async def test_without_the_hsm_nothing_is_revoked_and_a_retry_works(bench: Bench) -> None:
    await bench.create_key("manifest")
    request_id = str(uuid.uuid4())
    bench.provider.fail_next(Operation.SIGN, TokenUnavailable("the token is gone"))
    with pytest.raises(Unavailable) as refused:
        await bench.revoke("tenants/default/keys/manifest", request_id=request_id)
    assert refused.value.reason is Reason.HSM_UNAVAILABLE
    assert (await bench.keys.get(KeyName("default", "manifest"))).revoke_time is None
    assert not (await bench.revoke("tenants/default/keys/manifest", request_id=request_id)).replayed


@pytest.mark.parametrize(
    ("role", "entity"),
    [
        (Role.BACKEND, common_pb2.INITIATING_ENTITY_SYSTEM),
        (Role.DEVICE, common_pb2.INITIATING_ENTITY_USER),
    ],
)
async def test_the_event_says_who_began(bench: Bench, role: Role, entity: common_pb2.InitiatingEntity) -> None:
    await bench.create_key("manifest")
    assert (await bench.revoke("tenants/default/keys/manifest", role=role)).event.initiating_entity == entity


def test_every_reason_of_the_wire_is_known() -> None:
    numbers = set(revocation_pb2.RevocationReason.values()) - {revocation_pb2.REVOCATION_REASON_UNSPECIFIED}
    assert {f"REVOCATION_REASON_{reason_from_wire(number)}" for number in numbers} == {
        revocation_pb2.RevocationReason.Name(number) for number in numbers
    }


async def test_that_the_secret_may_be_known_is_news_also_of_what_was_revoked(bench: Bench) -> None:
    key = await bench.create_key()
    first = await bench.revoke(str(key.name))
    grave = await bench.revoke(str(key.name), revocation_pb2.REVOCATION_REASON_KEY_COMPROMISE)
    assert (grave.replayed, grave.event.name == first.event.name) == (False, False)
    again = await bench.revoke(str(key.name), revocation_pb2.REVOCATION_REASON_SUPERSEDED)
    assert (again.replayed, again.event.name) == (True, grave.event.name)
    stored = await bench.keys.get(key.name)
    assert stored.versions[0].state is KeyVersionState.COMPROMISED
    assert len((await bench.list()).events) == 2
