"""What can go wrong between reading a key, asking the HSM and writing the outcome."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hallmark_composite import verify
from hsm.errors import CircuitOpen, HsmBusy, KeyNotFound, PinLocked, SealBroken, SignatureFault, TokenUnavailable
from hsm.testing import Operation
from kms.core.errors import (
    Aborted,
    AlreadyExists,
    FailedPrecondition,
    InternalError,
    NotFound,
    Reason,
    ResourceExhausted,
    Unavailable,
)
from kms.core.names import KeyName, KeyVersionName
from kms.keys.model import KeyVersionState
from kms.keys.rotation import RotationService
from kms.keys.service import KeyService
from support.keys_world import KeysWorld, keys_world
from support.randomness import SeededRandomness

MANIFEST = KeyName("default", "manifest")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[KeysWorld]:
    async with keys_world(tmp_path) as world:
        yield world


async def test_of_two_creations_of_one_name_one_wins_and_no_key_pair_is_left_over(world: KeysWorld) -> None:
    results = await asyncio.gather(world.create(), world.create(), return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["AlreadyExists", "Key"]
    assert len((await world.keys.get(MANIFEST)).versions) == 1


async def test_of_two_rotations_at_once_one_is_told_to_read_again(world: KeysWorld) -> None:
    await world.create()
    results = await asyncio.gather(world.rotate(), world.rotate(), return_exceptions=True)
    lost = [result for result in results if isinstance(result, Aborted)]
    assert [error.reason for error in lost] == [Reason.ETAG_MISMATCH]
    assert (await world.keys.get(MANIFEST)).primary == 2


async def test_one_request_id_sent_twice_at_once_acts_once(world: KeysWorld) -> None:
    await world.create()
    request = world.request()
    first, second = await asyncio.gather(world.sign(b"m", request=request), world.sign(b"m", request=request))
    assert first == second
    request = world.request()
    keys = await asyncio.gather(world.rotate(request=request), world.rotate(request=request), return_exceptions=True)
    assert {key.primary for key in keys if not isinstance(key, BaseException)} == {2}
    assert len((await world.keys.get(MANIFEST)).versions) == 2


async def test_a_revocation_that_commits_while_the_hsm_signs_wins(world: KeysWorld) -> None:
    await world.create()
    provider, entered = world.world.provider, asyncio.Event()
    original = provider.sign_many

    async def slow(*args, **more):
        signature = await original(*args, **more)
        entered.set()
        await asyncio.sleep(0.05)
        return signature

    provider.sign_many = slow  # type: ignore[method-assign]
    signing = asyncio.create_task(world.sign(b"m"))
    await entered.wait()
    await world.revoke(MANIFEST)
    with pytest.raises(FailedPrecondition) as refused:
        await signing
    assert refused.value.reason is Reason.KEY_REVOKED, "the signature was discarded and the key read again"


async def test_a_rotation_by_another_replica_is_noticed_at_the_commit(world: KeysWorld) -> None:
    await world.create()
    assert (await world.sign(b"m")).key_version.endswith("/1")
    elsewhere = KeyService(world.world.database, world.world.provider, world.world.log, SeededRandomness(7))
    await RotationService(elsewhere).rotate(
        MANIFEST, etag="", request=world.request(), now=world.world.clock.now(), published=False
    )
    assert (await world.sign(b"m")).key_version.endswith("/2")
    await world.revoke(MANIFEST)
    with pytest.raises(FailedPrecondition) as refused:
        await world.sign(b"m")
    assert refused.value.reason is Reason.KEY_REVOKED


async def test_many_callers_share_commits_and_each_gets_its_own_answer(world: KeysWorld) -> None:
    await world.create()
    twin = world.request(b"body")
    reused = world.request(b"other body", twin.request_id)
    requests = [world.request() for _ in range(30)] + [twin, twin, reused]
    answers = await asyncio.gather(*(world.sign(b"m", request=request) for request in requests), return_exceptions=True)
    kinds = [type(answer).__name__ for answer in answers]
    assert kinds.count("AlreadyExists") == 1
    signatures = {answer.signature for answer in answers if not isinstance(answer, BaseException)}
    assert len(signatures) == 31
    leaves = {answer.promise.leaf_hash for answer in answers if not isinstance(answer, BaseException)}
    assert len(leaves) == 31


async def test_a_retry_is_answered_while_the_hsm_is_away(world: KeysWorld) -> None:
    await world.create()
    request = world.request()
    first = await world.sign(b"m", request=request)
    world.world.provider.fail_next(Operation.SIGN, TokenUnavailable("gone"), times=5)
    assert await world.sign(b"m", request=request) == first


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (TokenUnavailable("gone"), Unavailable, Reason.HSM_UNAVAILABLE),
        (PinLocked("locked"), Unavailable, Reason.HSM_UNAVAILABLE),
        (HsmBusy("busy"), ResourceExhausted, Reason.QUEUE_FULL),
        (SignatureFault("fault"), InternalError, Reason.SIGNATURE_FAULT),
        (SealBroken("broken"), InternalError, Reason.INTERNAL),
        (KeyNotFound("none"), InternalError, Reason.INTERNAL),
        (CircuitOpen("resting", retry_after_seconds=3), Unavailable, Reason.HSM_UNAVAILABLE),
    ],
)
async def test_what_the_hsm_says_reaches_the_caller_typed_and_nothing_is_stored(
    world: KeysWorld, error, kind, reason
) -> None:
    await world.create()
    request = world.request()
    world.world.provider.fail_next(Operation.SIGN, error)
    with pytest.raises(kind) as refused:
        await world.sign(b"m", request=request)
    assert refused.value.reason is reason
    assert (await world.sign(b"m", request=request)).signature, "the retry under the same request_id succeeds"


async def test_a_key_that_could_not_be_made_is_not_there(world: KeysWorld) -> None:
    world.world.provider.fail_next(Operation.GENERATE, TokenUnavailable("gone"))
    with pytest.raises(Unavailable):
        await world.create()
    with pytest.raises(NotFound):
        await world.keys.get(MANIFEST)


async def test_a_cancelled_creation_leaves_either_no_key_or_a_working_one(world: KeysWorld) -> None:
    for round_number in range(20):
        key_id = f"key-{round_number}"
        task = asyncio.create_task(world.create(key_id))
        await asyncio.sleep(0.0005 * round_number)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await world.world.database.write(lambda _: None)  # whatever was queued is committed now
        try:
            await world.keys.get(KeyName("default", key_id))
        except NotFound:
            continue
        assert await world.sign(b"m", KeyName("default", key_id))


async def test_versions_sign_by_name_only_while_they_are_active(world: KeysWorld) -> None:
    await world.create()
    await world.rotate()
    second = await world.sign(b"m", KeyVersionName("default", "manifest", 2))
    assert second.key_version.endswith("/2")
    with pytest.raises(FailedPrecondition, match="deactivated"):
        await world.sign(b"m", KeyVersionName("default", "manifest", 1))
    with pytest.raises(NotFound):
        await world.sign(b"m", KeyVersionName("default", "manifest", 3))


async def test_a_revoked_version_leaves_the_key_without_a_signer_until_it_is_rotated(world: KeysWorld) -> None:
    await world.create()
    await world.revoke(KeyVersionName("default", "manifest", 1))
    key = await world.keys.get(MANIFEST)
    assert (key.primary, key.versions[0].state) == (None, KeyVersionState.COMPROMISED)
    with pytest.raises(FailedPrecondition, match="rotate it"):
        await world.sign(b"m")
    assert (await world.rotate()).primary == 2
    assert (await world.keys.get(MANIFEST)).versions[1].state is KeyVersionState.COMPROMISED, "stays revoked"


async def test_a_revoked_key_is_not_rotated_back_to_life(world: KeysWorld) -> None:
    await world.create()
    await world.revoke(MANIFEST, compromised=False)
    with pytest.raises(FailedPrecondition) as refused:
        await world.rotate()
    assert refused.value.reason is Reason.KEY_REVOKED


async def test_a_sealed_half_does_not_open_under_another_keys_name(world: KeysWorld) -> None:
    """Swapping rows in the database does not move a key: the seal is bound to tenant, key, version and purpose."""
    from kms.keys import store

    one, two = await world.create("one"), await world.create("two")
    stolen = one.versions[0].material.to_bytes()
    await world.world.database.write(
        lambda tx: tx.execute(
            store.version_table.update().where(store.version_table.c.key_id == "two").values(material=stolen)
        )
    )
    with pytest.raises(InternalError):
        await world.sign(b"m", two.name)


async def test_service_statements_have_their_own_keys_and_domain(world: KeysWorld) -> None:
    now = world.world.clock.now()
    key = await world.keys.ensure_service_key("events", now)
    assert await world.keys.ensure_service_key("events", now) == key
    statement = await world.signing.sign_as_service("events", b"payload", "hallmark/test/v1", now)
    verify(key.versions[0].public_key, statement.signature, message=b"payload", context=b"hallmark/test/v1")
    with pytest.raises(NotFound):
        await world.sign(b"payload", key.name)


async def test_a_name_is_taken_for_ever(world: KeysWorld) -> None:
    await world.create()
    await world.revoke(MANIFEST)
    with pytest.raises(AlreadyExists):
        await world.create()
