"""GetEnvelopeKey: a signed statement that anyone can check."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest

from hallmark.v1 import common_pb2
from hallmark_composite import CompositeError, CompositePublicKey, verify
from hallmark_envelope import HpkeKem, seal_envelope
from kms.core.checksum import crc32c
from kms.core.errors import FailedPrecondition, NotFound, Reason
from kms.core.names import AliasName, KeyName
from kms.keys.aliases import AliasService
from kms.keys.lifecycle import Action
from kms.keys.policies import KeySettings, RotationPolicy, UsageLimits
from support.approvals_world import Operator
from support.envelopes_world import KEY, VERSION, EnvelopesWorld


async def service_key(world: EnvelopesWorld) -> CompositePublicKey:
    return (await world.keys.keys.get(KeyName("system", "envelope-keys"))).versions[0].public_key


async def test_a_statement_says_and_signs_what_to_seal_to(world: EnvelopesWorld) -> None:
    await world.create()
    key = await world.statement()
    assert (key.name, key.algorithm) == (VERSION, common_pb2.ALGORITHM_HPKE_MLKEM768_X25519)
    assert (key.kem_id, key.kdf_id, key.aead_id, len(key.public_key)) == (0x647A, 1, 2, 1216)
    assert key.public_key_crc32c == crc32c(key.public_key)
    assert json.loads(key.payload) == {
        "v": 1,
        "name": VERSION,
        "algorithm": "HPKE-MLKEM768-X25519",
        "kem_id": 0x647A,
        "kdf_id": 1,
        "aead_id": 2,
        "public_key": base64.b64encode(key.public_key).decode(),
        "public_key_crc32c": key.public_key_crc32c,
        "not_after": key.not_after.ToDatetime(tzinfo=UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
    }
    assert key.signature.context == "hallmark/envelope-key/v1"
    assert key.signature.key_version == "tenants/system/keys/envelope-keys/versions/1"
    signer = await service_key(world)
    verify(signer, key.signature.signature, message=key.payload, context=b"hallmark/envelope-key/v1")
    with pytest.raises(CompositeError):
        verify(signer, key.signature.signature, message=key.payload, context=b"hallmark/heartbeat/v1")
    envelope = seal_envelope(key.public_key, HpkeKem(key.kem_id), b"hello", info=b"")
    assert (await world.open(envelope)).plaintext == b"hello"


async def test_many_who_ask_share_one_signature(world: EnvelopesWorld) -> None:
    await world.create()
    first = await world.statement()
    made = world.keys.world.provider.signatures_released
    world.clock.advance(3600)
    assert await world.statement() == first
    assert world.keys.world.provider.signatures_released == made
    world.clock.advance(9 * 3600 + 7200)
    second = await world.statement()
    assert second.not_after.ToDatetime() > first.not_after.ToDatetime(), "signed anew when half of its time is gone"


async def test_a_change_of_the_key_is_stated_at_once(world: EnvelopesWorld) -> None:
    await world.create()
    await world.statement()
    await world.keys.rotate("telemetry")
    assert (await world.statement()).name == f"{KEY}/versions/2"
    await world.change(f"{KEY}/versions/2", Action.SUSPEND)
    with pytest.raises(FailedPrecondition) as refused:
        await world.statement()
    assert refused.value.reason is Reason.KEY_VERSION_NOT_ACTIVE


def ends(key, now: datetime) -> timedelta:
    return key.not_after.ToDatetime(tzinfo=UTC) - now


async def test_nobody_seals_beyond_the_epoch(world: EnvelopesWorld) -> None:
    now = world.clock.now()
    rotation = RotationPolicy(period=timedelta(hours=6), publish_lead=timedelta(hours=1))
    await world.create("rotating", settings=KeySettings(rotation=rotation))
    assert ends(await world.statement("tenants/default/keys/rotating"), now) == timedelta(hours=6)
    limits = UsageLimits(not_after=now + timedelta(hours=2))
    await world.create("ending", settings=KeySettings(usage_limits=limits))
    assert ends(await world.statement("tenants/default/keys/ending"), now) == timedelta(hours=2)
    await world.create()
    assert ends(await world.statement(), now) == timedelta(days=1)
    await world.keys.rotate("telemetry", lead=timedelta(hours=3))
    assert ends(await world.statement(), now) == timedelta(hours=3), "the next epoch is known already"


async def test_a_late_rotation_leaves_nobody_without_a_key(world: EnvelopesWorld) -> None:
    await world.create(settings=KeySettings(rotation=RotationPolicy(period=timedelta(hours=6))))
    world.clock.advance(8 * 3600)
    assert ends(await world.statement(), world.clock.now()) == timedelta(minutes=5)


async def test_aliases_lead_to_the_key(world: EnvelopesWorld) -> None:
    await world.create()
    await _point(world, "current")
    assert (await world.statement("tenants/default/aliases/current")).name == VERSION


async def _point(world: EnvelopesWorld, alias: str) -> None:
    await AliasService(world.keys.keys).set(
        AliasName("default", alias),
        KeyName.parse(KEY),
        etag="",
        request=world.keys.request(alias.encode()),
        now=world.clock.now(),
        published=False,
    )


async def test_other_keys_and_other_tenants(world: EnvelopesWorld) -> None:
    await world.keys.create("manifest")
    with pytest.raises(FailedPrecondition) as refused:
        await world.statement("tenants/default/keys/manifest")
    assert refused.value.reason is Reason.PURPOSE_MISMATCH
    await world.create()
    for name, who in ((KEY, Operator("mallory", tenant="other")), ("tenants/default/keys/none", None)):
        with pytest.raises(NotFound):
            await world.statement(name, who)
