"""One suite for every key provider: the fake in memory and PKCS#11 on a real SoftHSM."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from cryptography.hazmat.primitives.asymmetric import ed25519

import softhsm
from hallmark_composite import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    MLDSA44_ECDSA_P256_SHA256,
    CompositePublicKey,
    InvalidSignature,
    MlDsaParameterSet,
    prehash,
    verify,
)
from hsm.engines.openssl import OpenSslEngine
from hsm.errors import HsmError, InvalidRequest, KeyNotFound, SealBroken, TokenUnavailable
from hsm.material import CompositeKeyMaterial, ProtectionLevel, TokenKey
from hsm.pkcs11.provider import Pkcs11KeyProvider
from hsm.provider import MAX_BATCH_SIZE, MAX_KEY_BINDING_SIZE, CompositeSignRequest, KeyProvider
from hsm.testing import FakeKeyProvider

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGE, BINDING = b"manifest", b"tenant/key/1/sign"


@pytest_asyncio.fixture(loop_scope="module", scope="module", params=["fake", "pkcs11", "pkcs11 with cached seeds"])
async def provider(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[KeyProvider]:
    made: KeyProvider
    if request.param == "fake":
        made = FakeKeyProvider()
    else:
        cache_seconds = 30.0 if "cached" in request.param else 0.0
        folder = tmp_path_factory.mktemp("hsm") / "data"
        made = Pkcs11KeyProvider(softhsm.settings(folder, seed_cache_seconds=cache_seconds))
    await made.start()
    yield made
    await made.close()
    await made.close()


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


async def test_keys_and_nonces_are_fresh(provider, key) -> None:
    other = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    assert other.public_key != key.public_key
    assert other.classical != key.classical
    assert other.post_quantum.nonce != key.post_quantum.nonce
    assert public_key_of(other).ec_point != public_key_of(key).ec_point


async def test_the_material_says_how_each_half_is_protected(provider, key) -> None:
    assert key.classical_protection is ProtectionLevel.HSM
    assert key.post_quantum_protection is ProtectionLevel.HSM_WRAPPED
    assert key.protection is ProtectionLevel.HSM_WRAPPED


async def test_two_signatures_of_one_message_differ(provider, key) -> None:
    assert await sign(provider, key) != await sign(provider, key)


async def test_contexts_of_0_to_255_bytes_are_signed(provider, key) -> None:
    for context in (b"", bytes(255)):
        signature = await sign(provider, key, context=context)
        verify(public_key_of(key), signature, message=MESSAGE, context=context)


@pytest.mark.parametrize("binding", [b"", b"tenant/key/2/sign", BINDING + b"\x00", BINDING[:-1]])
async def test_another_binding_does_not_open_the_seed(provider, key, binding: bytes) -> None:
    await sign(provider, key)  # an opened key must not answer for another binding
    with pytest.raises(SealBroken, match="sealed seed"):
        await sign(provider, key, key_binding=binding)


async def test_a_seed_moved_to_another_key_does_not_open(provider, key) -> None:
    other = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=BINDING)
    with pytest.raises(SealBroken):
        await sign(provider, replace(key, post_quantum=other.post_quantum))
    with pytest.raises(SealBroken):
        await sign(provider, replace(key, public_key=other.public_key))


async def test_a_seed_under_another_algorithm_does_not_open(provider) -> None:
    """A composite's component is never usable as a plain ML-DSA key."""
    composite = await provider.generate_composite(MLDSA44_ECDSA_P256_SHA256, key_binding=BINDING)
    plain = await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=BINDING)
    disguised = replace(
        plain, post_quantum=composite.post_quantum, public_key=composite.public_key[: len(plain.public_key)]
    )
    with pytest.raises(SealBroken):
        await provider.sign_mldsa(disguised, message=MESSAGE, context=b"", key_binding=BINDING)


@pytest.mark.parametrize("field", ["nonce", "ciphertext"])
@pytest.mark.parametrize("position", [0, -1])
async def test_a_changed_bit_in_the_seal_is_noticed(provider, key, field: str, position: int) -> None:
    changed = bytearray(getattr(key.post_quantum, field))
    changed[position] ^= 1
    with pytest.raises(SealBroken):
        await sign(provider, replace(key, post_quantum=replace(key.post_quantum, **{field: bytes(changed)})))
    await sign(provider, key)  # and the token is none the worse


async def test_an_unknown_key_encryption_key_is_not_found(provider, key) -> None:
    with pytest.raises(KeyNotFound):
        await sign(provider, replace(key, post_quantum=replace(key.post_quantum, kek_id=bytes(16))))


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


async def test_ed25519_keys_sign(provider) -> None:
    material = await provider.generate_ed25519()
    assert type(material).from_bytes(material.to_bytes()) == material
    for message in (b"", b"checkpoint", bytes(65_536)):
        signature = await provider.sign_ed25519(material, message=message)
        ed25519.Ed25519PublicKey.from_public_bytes(material.public_key).verify(signature, message)
    with pytest.raises(InvalidRequest):
        await provider.sign_ed25519(material, message=bytes(65_537))
    await provider.destroy(material)
    with pytest.raises(KeyNotFound):
        await provider.sign_ed25519(material, message=b"")


@pytest.mark.parametrize("parameter_set", MlDsaParameterSet, ids=lambda item: item.value)
async def test_plain_ml_dsa_keys_sign(provider, parameter_set) -> None:
    material = await provider.generate_mldsa(parameter_set, key_binding=BINDING)
    assert type(material).from_bytes(material.to_bytes()) == material
    signature = await provider.sign_mldsa(material, message=MESSAGE, context=b"ctx", key_binding=BINDING)
    OpenSslEngine().verify(
        parameter_set, public_key=material.public_key, signature=signature, message=MESSAGE, context=b"ctx"
    )
    with pytest.raises(SealBroken):
        await provider.sign_mldsa(material, message=MESSAGE, context=b"ctx", key_binding=b"other")
    await provider.destroy(material)


async def test_health_is_a_real_signature(provider) -> None:
    health = await provider.health()
    assert health.workers_ready == health.workers >= 1
    assert health.slowest_probe_ms > 0


async def test_capabilities_say_what_is_live(provider) -> None:
    capabilities = await provider.capabilities()
    names = {engine.name for engine in capabilities.engines if engine.refused_because is None}
    assert {capabilities.signing_engine, capabilities.verifying_engine} <= names
    assert capabilities.protection is ProtectionLevel.HSM_WRAPPED
    assert {"AES_GCM", "ECDSA", "EDDSA"} <= set(capabilities.mechanisms)
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
