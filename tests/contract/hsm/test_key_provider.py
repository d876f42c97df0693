"""Composite keys, batches, health and capabilities; plain keys are in test_plain_keys.py."""

import asyncio
from dataclasses import replace

import pytest
import pytest_asyncio

import softhsm
from hallmark_composite import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    CompositePublicKey,
    InvalidSignature,
    MlDsaParameterSet,
    prehash,
    verify,
)
from hsm.errors import HsmError, InvalidRequest, KeyNotFound, SealBroken, SignatureFault, TokenUnavailable
from hsm.material import CompositeKeyMaterial, ProtectionLevel, SealedSeed, TokenKey, token_keys
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.provider import MAX_BATCH_SIZE, MAX_KEY_BINDING_SIZE, CompositeSignRequest, KeyProvider
from hsm.testing import FakeKeyProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGE, BINDING = b"manifest", b"tenant/key/1/sign"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def key(provider: KeyProvider) -> CompositeKeyMaterial:
    return await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)


def digest_of(material: CompositeKeyMaterial, message: bytes = MESSAGE) -> bytes:
    return prehash(material.algorithm, message)


def public_key_of(material: CompositeKeyMaterial) -> CompositePublicKey:
    return CompositePublicKey.from_bytes(material.algorithm, material.public_key)


def request_for(material: CompositeKeyMaterial, message: bytes = MESSAGE, **changes) -> CompositeSignRequest:
    made = CompositeSignRequest(
        material=material, digest=digest_of(material, message), context=b"ctx", key_binding=BINDING
    )
    return replace(made, **changes)


async def sign(provider: KeyProvider, material: CompositeKeyMaterial, **changes) -> bytes:
    arguments = {"digest": digest_of(material), "context": b"ctx", "key_binding": BINDING}
    return await provider.sign_composite(material, **(arguments | changes))


@pytest.mark.parametrize("algorithm", ALGORITHMS.values(), ids=str)
async def test_a_new_key_signs_and_the_signature_verifies_offline(provider, algorithm) -> None:
    material = await provider.generate_composite(algorithm, key_binding=BINDING)
    signature = await sign(provider, material)
    assert len(signature) <= algorithm.max_signature_size
    verify(public_key_of(material), signature, message=MESSAGE, context=b"ctx")
    with pytest.raises(InvalidSignature):
        verify(public_key_of(material), signature, message=MESSAGE)


async def test_stored_material_signs_again(provider, key) -> None:
    stored = CompositeKeyMaterial.from_bytes(key.to_bytes())
    assert stored == key
    verify(public_key_of(key), await sign(provider, stored), message=MESSAGE, context=b"ctx")


async def test_keys_and_nonces_are_fresh(provider, traits, key) -> None:
    other = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    assert other.public_key != key.public_key
    assert not set(token_keys(other)) & set(token_keys(key))
    if not traits.native:
        assert other.post_quantum.nonce != key.post_quantum.nonce
    assert public_key_of(other).ec_point != public_key_of(key).ec_point


async def test_the_material_says_how_each_half_is_protected(traits, key) -> None:
    level = ProtectionLevel.HSM if traits.native else ProtectionLevel.HSM_WRAPPED
    assert key.classical_protection is ProtectionLevel.HSM
    assert key.post_quantum_protection is key.protection is level
    assert isinstance(key.post_quantum, TokenKey if traits.native else SealedSeed)


async def test_two_signatures_of_one_message_differ(provider, key) -> None:
    assert await sign(provider, key) != await sign(provider, key)


async def test_contexts_of_0_to_255_bytes_are_signed(provider, key) -> None:
    for context in (b"", bytes(255)):
        signature = await sign(provider, key, context=context)
        verify(public_key_of(key), signature, message=MESSAGE, context=context)


@pytest.mark.parametrize("binding", [b"", b"tenant/key/2/sign", BINDING + b"\x00", BINDING[:-1]])
async def test_another_binding_does_not_open_the_seed(provider, key, binding: bytes) -> None:
    await sign(provider, key)  # an opened key must not answer for another binding
    with pytest.raises(SealBroken):
        await sign(provider, key, key_binding=binding)


async def test_a_half_moved_to_another_key_does_not_sign(provider, traits, key) -> None:
    """A sealed seed does not open; a half inside the token signs, but not what the public key verifies."""
    other = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    refusal = SignatureFault if traits.native else SealBroken
    with pytest.raises(refusal):
        await sign(provider, replace(key, post_quantum=other.post_quantum))
    with pytest.raises(refusal):
        await sign(provider, replace(key, public_key=other.public_key))


@pytest.mark.parametrize("field", ["nonce", "ciphertext"])
@pytest.mark.parametrize("position", [0, -1])
async def test_a_changed_bit_in_the_seal_is_noticed(provider, traits, key, field: str, position: int) -> None:
    if traits.native:
        pytest.skip("nothing is sealed: the key lives in the token")
    changed = bytearray(getattr(key.post_quantum, field))
    changed[position] ^= 1
    with pytest.raises(SealBroken):
        await sign(provider, replace(key, post_quantum=replace(key.post_quantum, **{field: bytes(changed)})))
    await sign(provider, key)  # and the token is none the worse


async def test_an_unknown_key_encryption_key_or_native_half_is_not_found(provider, traits, key) -> None:
    unknown = TokenKey(bytes(16)) if traits.native else replace(key.post_quantum, kek_id=bytes(16))
    with pytest.raises(KeyNotFound):
        await sign(provider, replace(key, post_quantum=unknown))


async def test_an_unknown_token_key_is_not_found(provider, key) -> None:
    with pytest.raises(KeyNotFound):
        await sign(provider, replace(key, classical=TokenKey(bytes(16))))
    await sign(provider, key)


async def test_a_destroyed_key_is_gone_and_others_are_not(provider, key) -> None:
    doomed = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    await asyncio.gather(*(sign(provider, doomed) for _ in range(8)))  # every signer process has seen it
    await provider.destroy(doomed)
    results = await asyncio.gather(*(sign(provider, doomed) for _ in range(8)), return_exceptions=True)
    assert {type(result) for result in results} == {KeyNotFound}
    await provider.destroy(doomed)  # once more is fine
    await sign(provider, key)


async def test_a_batch_keeps_its_order_and_its_failures_apart(provider, key) -> None:
    messages = [f"file {number}".encode() for number in range(40)]
    requests = [request_for(key, message) for message in messages]
    requests[3] = request_for(key, key_binding=b"another")
    requests[7] = request_for(key, digest=bytes(32))
    requests[11] = request_for(replace(key, classical=TokenKey(bytes(16))))
    answers = await provider.sign_many(requests)
    assert len(answers) == 40
    failed = {number: type(answer) for number, answer in enumerate(answers) if isinstance(answer, HsmError)}
    assert failed == {3: SealBroken, 7: InvalidRequest, 11: KeyNotFound}
    for number, (message, answer) in enumerate(zip(messages, answers, strict=True)):
        if number not in failed:
            verify(public_key_of(key), answer, message=message, context=b"ctx")


async def test_a_batch_may_mix_keys_and_algorithms(provider) -> None:
    keys = [await provider.generate_composite(item, key_binding=BINDING) for item in ALGORITHMS.values()]
    answers = await provider.sign_many([request_for(material) for material in keys * 2])
    for material, answer in zip(keys * 2, answers, strict=True):
        verify(public_key_of(material), answer, message=MESSAGE, context=b"ctx")


async def test_an_empty_batch_has_no_answers(provider) -> None:
    assert await provider.sign_many([]) == []


async def test_a_batch_over_the_limit_is_refused_whole(provider, key) -> None:
    with pytest.raises(InvalidRequest, match="512"):
        await provider.sign_many([request_for(key)] * (MAX_BATCH_SIZE + 1))


@pytest.mark.parametrize(
    "wrong",
    [{"digest": b""}, {"digest": bytes(63)}, {"context": bytes(256)}, {"key_binding": bytes(MAX_KEY_BINDING_SIZE + 1)}],
    ids=lambda wrong: f"{next(iter(wrong))} of {len(next(iter(wrong.values())))}",
)
async def test_arguments_that_cannot_be_right_are_refused(provider, key, wrong) -> None:
    with pytest.raises(InvalidRequest, match="bytes"):
        await sign(provider, key, **wrong)


async def test_the_longest_binding_works(provider) -> None:
    binding = bytes(MAX_KEY_BINDING_SIZE)
    material = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=binding)
    await sign(provider, material, key_binding=binding)


async def test_health_is_a_real_signature(provider) -> None:
    health = await provider.health()
    assert health.workers_ready == health.workers >= 1
    assert health.slowest_probe_ms > 0


async def test_capabilities_say_what_is_live(provider, traits) -> None:
    capabilities = await provider.capabilities()
    names = {engine.name for engine in capabilities.engines if engine.refused_because is None}
    assert {capabilities.signing_engine, capabilities.verifying_engine} <= names
    assert capabilities.protection is (ProtectionLevel.HSM if traits.native else ProtectionLevel.HSM_WRAPPED)
    assert set(capabilities.native_parameter_sets) == (set(MlDsaParameterSet) if traits.native else set())
    assert bool(capabilities.native_reason) != traits.native
    assert {"AES_GCM", "ECDSA", "EDDSA"} <= set(capabilities.mechanisms)
    assert ("ML_DSA" in capabilities.mechanisms) == traits.native
    assert capabilities.workers >= 1


async def test_many_calls_at_once(provider, key) -> None:
    signatures = await asyncio.gather(*(sign(provider, key) for _ in range(100)))
    assert len(set(signatures)) == 100


@pytest.mark.parametrize("kind", [FakeKeyProvider, Pkcs11KeyProvider])
async def test_a_closed_provider_does_nothing(kind, tmp_path) -> None:
    if kind is FakeKeyProvider:
        closed: KeyProvider = FakeKeyProvider()
        await closed.close()
        with pytest.raises(AssertionError, match="before start"):
            await closed.health()
    else:
        closed = Pkcs11KeyProvider(softhsm.settings(tmp_path / "data", workers=1))
        await closed.close()
        with pytest.raises(TokenUnavailable):
            await closed.health()
        await closed.start()
        await closed.close()
        with pytest.raises(TokenUnavailable, match="closed"):
            await closed.health()
