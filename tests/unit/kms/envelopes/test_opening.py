"""OpenEnvelope and OpenEnvelopes: who may open what, what is logged, and what is never told."""

import asyncio
import hashlib
import uuid
from datetime import timedelta

import pytest
from google.rpc import error_details_pb2

from hallmark.v1 import common_pb2, envelopes_pb2
from hallmark_envelope import MAX_ENVELOPE_SIZE
from hsm.errors import HsmBusy
from hsm.secret import Secret
from kms.core.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Reason,
    ResourceExhausted,
    ServiceError,
)
from kms.envelopes.model import DataKey, Opened
from kms.keys.algorithms import ALGORITHMS
from kms.keys.lifecycle import Action
from kms.keys.policies import KeySettings, UsageLimits
from kms.log.model import LogPromise
from support.approvals_world import Operator
from support.envelopes_world import KEY, VERSION, EnvelopesWorld

SECRET = b"the sensor saw a heartbeat of 61"


async def refusal(act, kind: type[ServiceError] = FailedPrecondition) -> Reason:
    with pytest.raises(kind) as refused:
        await act
    return refused.value.reason


@pytest.mark.parametrize("algorithm", ["HPKE_MLKEM768_X25519", "HPKE_MLKEM1024_P384"])
async def test_what_was_sealed_is_opened_and_logged(world: EnvelopesWorld, algorithm: str) -> None:
    key = await world.create(algorithm=ALGORITHMS[algorithm])
    envelope = world.seal(SECRET, key, info=b"events/v1")
    opened = await world.open(envelope, info=b"events/v1")
    assert opened.plaintext == SECRET
    (entry,) = await world.logged("envelope.opened")
    assert (entry["subject"], entry["id"]) == (VERSION, opened.log.event_key)
    assert entry["details"] == {
        "algorithm": ALGORITHMS[algorithm].title,
        "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
        "info_sha256": hashlib.sha256(b"events/v1").hexdigest(),
    }


async def test_the_plaintext_is_nowhere_in_the_database(world: EnvelopesWorld) -> None:
    envelope = world.seal(SECRET, await world.create())
    await world.open(envelope)
    key = await world.data_key()
    world.keys.world.database.close()
    stored = b"".join(path.read_bytes() for path in world.keys.world.folder.glob("log.db*"))
    assert envelope not in stored, "nor is the envelope"
    for plaintext in (SECRET, key.plaintext):
        assert plaintext not in stored
        assert hashlib.sha256(plaintext).digest() not in stored
        assert hashlib.sha256(plaintext).hexdigest().encode() not in stored


async def test_every_wrong_envelope_gets_the_same_answer(world: EnvelopesWorld) -> None:
    key = await world.create()
    other = await world.create("other")
    envelope = world.seal(SECRET, key, info=b"a")
    wrong = [
        (envelope, b"b"),
        (envelope[:-1] + bytes([envelope[-1] ^ 1]), b"a"),
        (bytes([envelope[0] ^ 1]) + envelope[1:], b"a"),
        (envelope[:100], b"a"),
        (b"", b"a"),
        (world.seal(SECRET, other, info=b"a"), b"a"),
        (bytes(len(envelope)), b"a"),
    ]
    answers = set()
    for given, info in wrong:
        with pytest.raises(InvalidArgument) as refused:
            await world.open(given, info=info)
        answers.add((refused.value.reason, refused.value.message, refused.value.field))
    assert len(answers) == 1
    assert answers.pop()[0] is Reason.ENVELOPE_INVALID
    assert not await world.logged("envelope.opened")
    assert (await world.keys.keys.get(key.name)).use_count == 0


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"envelope": bytes(MAX_ENVELOPE_SIZE + 1)}, Reason.MESSAGE_TOO_LARGE),
        ({"info": bytes(1025)}, Reason.FIELD_INVALID),
        ({"envelope_crc32c": 1}, Reason.CHECKSUM_MISMATCH),
        ({"request_id": "x"}, Reason.REQUEST_ID_INVALID),
        ({"name": KEY}, Reason.NAME_INVALID),
        ({"log_wait": 9}, Reason.FIELD_INVALID),
    ],
)
async def test_a_request_that_can_not_be_right(world: EnvelopesWorld, change: dict, reason: Reason) -> None:
    await world.create()
    assert await refusal(world.open(**{"envelope": b"x", **change}), InvalidArgument) is reason


async def test_a_retry_is_opened_again_but_logged_and_counted_once(world: EnvelopesWorld) -> None:
    key = await world.create()
    envelope, request_id = world.seal(SECRET, key), str(uuid.uuid4())
    first = await world.open(envelope, request_id=request_id)
    assert await world.open(envelope, request_id=request_id) == first
    assert len(await world.logged("envelope.opened")) == 1
    assert (await world.keys.keys.get(key.name)).use_count == 1
    assert (
        await refusal(world.open(envelope, request_id=request_id, info=b"x"), AlreadyExists) is Reason.REQUEST_ID_REUSED
    )


async def test_epochs_that_are_over_still_open(world: EnvelopesWorld) -> None:
    key = await world.create()
    envelope = world.seal(SECRET, key)
    await world.keys.rotate("telemetry")
    assert (await world.open(envelope)).plaintext == SECRET
    await world.keys.revoke(key.versions[0].name)
    assert (await world.open(envelope)).plaintext == SECRET, "what was sealed has to be read to be sealed anew"


@pytest.mark.parametrize(
    ("actions", "opens"),
    [
        ([Action.SUSPEND], False),
        ([Action.SUSPEND, Action.RESUME], True),
        ([Action.DEACTIVATE], True),
        ([Action.DEACTIVATE, Action.SCHEDULE_DESTROY], False),
        ([Action.DEACTIVATE, Action.SCHEDULE_DESTROY, Action.RESTORE], True),
    ],
)
async def test_the_state_decides(world: EnvelopesWorld, actions: list[Action], opens: bool) -> None:
    envelope = world.seal(SECRET, await world.create())
    for action in actions:
        await world.change(VERSION, action)
    if opens:
        assert (await world.open(envelope)).plaintext == SECRET
    else:
        assert await refusal(world.open(envelope)) is Reason.KEY_VERSION_NOT_ACTIVE


async def test_a_version_that_waits_opens_nothing_yet(world: EnvelopesWorld) -> None:
    await world.create()
    key = await world.keys.rotate("telemetry", lead=timedelta(hours=1))
    envelope = world.seal(SECRET, key, version=2)
    assert await refusal(world.open(envelope, name=f"{KEY}/versions/2")) is Reason.KEY_VERSION_NOT_ACTIVE


async def test_a_version_that_is_stopped_while_it_opens_gives_nothing(world: EnvelopesWorld, monkeypatch) -> None:
    envelope = world.seal(SECRET, await world.create())
    provider = world.keys.world.provider
    real = provider.open_envelope

    async def slow(*given, **named):
        await world.change(VERSION, Action.SUSPEND)
        return await real(*given, **named)

    monkeypatch.setattr(provider, "open_envelope", slow)
    assert await refusal(world.open(envelope)) is Reason.KEY_VERSION_NOT_ACTIVE
    assert not await world.logged("envelope.opened")


async def test_keys_of_other_purposes_open_nothing(world: EnvelopesWorld) -> None:
    await world.keys.create("manifest")
    assert await refusal(world.open(b"x", name="tenants/default/keys/manifest/versions/1")) is Reason.PURPOSE_MISMATCH


async def test_what_is_not_there_or_not_ours_is_not_found(world: EnvelopesWorld) -> None:
    await world.create()
    for name in (
        f"{KEY}/versions/2",
        "tenants/default/keys/none/versions/1",
        "tenants/other/keys/telemetry/versions/1",
    ):
        assert await refusal(world.open(b"x", name=name), NotFound) is Reason.RESOURCE_NOT_FOUND
    service_key = "tenants/system/keys/envelope-keys/versions/1"
    assert await refusal(world.open(b"x", name=service_key), NotFound) is Reason.RESOURCE_NOT_FOUND
    mallory = Operator("mallory", tenant="other")
    assert await refusal(world.open(b"x", mallory), NotFound) is Reason.RESOURCE_NOT_FOUND


async def test_totals_are_exact(world: EnvelopesWorld) -> None:
    key = await world.create(settings=KeySettings(usage_limits=UsageLimits(total=2)))
    envelopes = [world.seal(bytes([number]), key) for number in range(4)]
    results = await world.open_many(*map(world.opening, envelopes))
    assert sorted(result.WhichOneof("outcome") for result in results) == ["error", "error", "response", "response"]
    assert len(await world.logged("envelope.opened")) == 2
    assert await refusal(world.open(envelopes[0])) is Reason.USAGE_LIMIT_REACHED


async def test_a_limit_per_second(world: EnvelopesWorld) -> None:
    key = await world.create(settings=KeySettings(usage_limits=UsageLimits(per_second=1)))
    envelope, request_id = world.seal(SECRET, key), str(uuid.uuid4())
    await world.open(envelope, request_id=request_id)
    with pytest.raises(ResourceExhausted) as refused:
        await world.open(envelope)
    assert refused.value.retry_after_seconds
    await world.open(envelope, request_id=request_id)
    world.clock.advance(1)
    await world.open(envelope)


async def test_after_its_end_a_key_opens_nothing(world: EnvelopesWorld) -> None:
    not_after = world.clock.now() + timedelta(hours=1)
    key = await world.create(settings=KeySettings(usage_limits=UsageLimits(not_after=not_after)))
    envelope = world.seal(SECRET, key)
    await world.open(envelope)
    world.clock.advance(3601)
    assert await refusal(world.open(envelope)) is Reason.KEY_EXPIRED


async def test_a_busy_hsm_is_said_and_nothing_is_logged(world: EnvelopesWorld, monkeypatch) -> None:
    envelope = world.seal(SECRET, await world.create())

    async def busy(*_given, **_named):
        raise HsmBusy("the queue is full")

    with monkeypatch.context() as patch:
        patch.setattr(world.keys.world.provider, "open_envelope", busy)
        assert await refusal(world.open(envelope), ResourceExhausted) is Reason.QUEUE_FULL
    assert not await world.logged("envelope.opened")
    assert (await world.open(envelope)).plaintext == SECRET


async def test_a_batch_is_answered_item_by_item(world: EnvelopesWorld) -> None:
    key = await world.create()
    good = [world.seal(bytes([number]), key) for number in range(3)]
    twin = world.opening(good[1])
    results = await world.open_many(
        world.opening(good[0]),
        world.opening(good[0], name="tenants/other/keys/x/versions/1"),
        twin,
        world.opening(b"rubbish"),
        world.opening(good[2], request_id="not one"),
        twin,
        world.opening(good[2]),
    )
    outcomes = [result.response.plaintext or _reason(result) for result in results]
    assert outcomes == [
        b"\0",
        "RESOURCE_NOT_FOUND",
        b"\1",
        "ENVELOPE_INVALID",
        "REQUEST_ID_INVALID",
        b"\1",
        b"\2",
    ]
    assert results[2].response.log == results[5].response.log
    assert len(await world.logged("envelope.opened")) == 3
    assert (await world.keys.keys.get(key.name)).use_count == 3


@pytest.mark.parametrize("count", [0, 257])
async def test_a_batch_has_1_to_256(world: EnvelopesWorld, count: int) -> None:
    requests = [world.opening(b"x")] * count
    assert await refusal(world.open_many(*requests), InvalidArgument) is Reason.BATCH_TOO_LARGE


async def test_a_large_batch_over_several_keys(world: EnvelopesWorld) -> None:
    keys = [await world.create(f"key-{number}") for number in range(3)]
    requests = [
        world.opening(
            world.seal(number.to_bytes(2, "big"), keys[number % 3]), name=str(keys[number % 3].versions[0].name)
        )
        for number in range(256)
    ]
    results = await world.open_many(*requests)
    assert [result.response.plaintext for result in results] == [number.to_bytes(2, "big") for number in range(256)]
    assert len(await world.logged("envelope.opened")) == 256


async def test_waiting_for_the_log_brings_the_proof(world: EnvelopesWorld) -> None:
    log = world.keys.keys.log
    envelope = world.seal(SECRET, await world.create())
    opening = asyncio.create_task(world.open(envelope, log_wait=common_pb2.LOG_WAIT_PUBLISHED))
    while not opening.done():
        await asyncio.sleep(0.01)
        await log.step()
    assert (await opening).log.tlog_proof


def _reason(result: envelopes_pb2.OpenEnvelopesResponse.Result) -> str:
    info = error_details_pb2.ErrorInfo()
    assert result.error.details[0].Unpack(info)
    return info.reason


def test_no_repr_shows_a_plaintext() -> None:
    promise = LogPromise(event_key="", leaf_hash=b"", entry=b"")
    opened = Opened(Secret(SECRET), promise)
    key = DataKey(plaintext=Secret(SECRET), envelope=b"", key_version="", promise=promise)
    assert SECRET.decode() not in repr(opened) + str(key)
