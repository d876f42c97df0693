"""ECDSA, Ed25519 and pure ML-DSA keys; batches that mix kinds; halves of a composite that refuse to sign alone."""

import hashlib
from dataclasses import replace

import pytest
import pytest_asyncio
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa

from hallmark_composite import (
    MLDSA44_ECDSA_P256_SHA256,
    CompositePublicKey,
    EcCurve,
    MlDsaParameterSet,
    prehash,
    verify,
)
from hsm.errors import HsmError, InvalidRequest, KeyNotFound, SealBroken, SignatureFault, UnsupportedAlgorithm
from hsm.material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    MlDsaKeyMaterial,
    ProtectionLevel,
    TokenKey,
    material_from_bytes,
)
from hsm.provider import (
    MAX_MESSAGE_SIZE,
    CompositeSignRequest,
    EcdsaSignRequest,
    Ed25519SignRequest,
    KeyProvider,
    MlDsaMuSignRequest,
    MlDsaSignRequest,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")
MESSAGE, CONTEXT, BINDING = b"manifest", b"ctx", b"tenant/key/1/sign"
CURVES = {EcCurve.P256: (ec.SECP256R1(), hashes.SHA256()), EcCurve.P384: (ec.SECP384R1(), hashes.SHA384())}
ML_DSA = {
    MlDsaParameterSet.ML_DSA_44: mldsa.MLDSA44PublicKey,
    MlDsaParameterSet.ML_DSA_65: mldsa.MLDSA65PublicKey,
    MlDsaParameterSet.ML_DSA_87: mldsa.MLDSA87PublicKey,
}
every_curve = pytest.mark.parametrize("curve", EcCurve, ids=lambda item: item.value)
every_set = pytest.mark.parametrize("parameter_set", MlDsaParameterSet, ids=lambda item: item.value)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def composite(provider: KeyProvider) -> CompositeKeyMaterial:
    return await provider.generate_composite(MLDSA44_ECDSA_P256_SHA256, key_binding=BINDING)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ml_dsa(provider: KeyProvider) -> MlDsaKeyMaterial:
    return await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=BINDING)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def ecdsa(provider: KeyProvider) -> EcdsaKeyMaterial:
    return await provider.generate_ecdsa(EcCurve.P256)


def digest_for(curve: EcCurve, message: bytes) -> bytes:
    return hashlib.new({EcCurve.P256: "sha256", EcCurve.P384: "sha384"}[curve], message).digest()


def check_ecdsa(key: EcdsaKeyMaterial, signature: bytes, message: bytes = MESSAGE) -> None:
    curve, algorithm = CURVES[key.curve]
    ec.EllipticCurvePublicKey.from_encoded_point(curve, key.public_key).verify(signature, message, ec.ECDSA(algorithm))


def check_ml_dsa(key: MlDsaKeyMaterial, signature: bytes, message: bytes = MESSAGE, context: bytes = CONTEXT) -> None:
    ML_DSA[key.parameter_set].from_public_bytes(key.public_key).verify(signature, message, context)


def mu_of(key: MlDsaKeyMaterial, message: bytes = MESSAGE, context: bytes = CONTEXT) -> bytes:
    """By the streaming hasher of `cryptography`."""
    hasher = mldsa.MLDSAMuHasher(ML_DSA[key.parameter_set].from_public_bytes(key.public_key), context)
    hasher.update(message)
    return hasher.finalize()


@every_curve
async def test_ecdsa_keys_sign(provider, curve: EcCurve) -> None:
    key = await provider.generate_ecdsa(curve)
    assert material_from_bytes(key.to_bytes()) == key
    assert key.protection is ProtectionLevel.HSM
    digest = digest_for(curve, MESSAGE)
    signatures = {await provider.sign_ecdsa(key, digest=digest) for _ in range(4)}
    assert len(signatures) == 4
    for signature in signatures:
        check_ecdsa(key, signature)
        with pytest.raises(InvalidSignature):
            check_ecdsa(key, signature, MESSAGE + b".")
    for size in (0, curve.coordinate_size - 1, curve.coordinate_size + 1, 64):
        with pytest.raises(InvalidRequest, match="bytes"):
            await provider.sign_ecdsa(key, digest=bytes(size))
    await provider.destroy(key)
    with pytest.raises(KeyNotFound):
        await provider.sign_ecdsa(key, digest=digest)


async def test_an_ecdsa_signature_that_does_not_verify_is_not_released(provider, ecdsa) -> None:
    other = await provider.generate_ecdsa(EcCurve.P256)
    with pytest.raises(SignatureFault):
        await provider.sign_ecdsa(replace(ecdsa, public_key=other.public_key), digest=bytes(32))


async def test_ed25519_keys_sign(provider, traits) -> None:
    if not traits.ed25519:
        with pytest.raises(UnsupportedAlgorithm):
            await provider.generate_ed25519()
        return
    material = await provider.generate_ed25519()
    assert material_from_bytes(material.to_bytes()) == material
    for message in (b"", b"checkpoint", bytes(MAX_MESSAGE_SIZE)):
        signature = await provider.sign_ed25519(material, message=message)
        ed25519.Ed25519PublicKey.from_public_bytes(material.public_key).verify(signature, message)
    with pytest.raises(InvalidRequest):
        await provider.sign_ed25519(material, message=bytes(MAX_MESSAGE_SIZE + 1))
    await provider.destroy(material)
    with pytest.raises(KeyNotFound):
        await provider.sign_ed25519(material, message=b"")


@every_set
async def test_ml_dsa_keys_sign(provider, traits, parameter_set) -> None:
    key = await provider.generate_mldsa(parameter_set, key_binding=BINDING)
    assert material_from_bytes(key.to_bytes()) == key
    assert key.protection is (ProtectionLevel.HSM if traits.native else ProtectionLevel.HSM_WRAPPED)
    for message, context in ((MESSAGE, CONTEXT), (b"", b""), (bytes(MAX_MESSAGE_SIZE), bytes(255))):
        signature = await provider.sign_mldsa(key, message=message, context=context, key_binding=BINDING)
        check_ml_dsa(key, signature, message, context)
        with pytest.raises(InvalidSignature):
            check_ml_dsa(key, signature, message, context + b"." if len(context) < 255 else b"")
    with pytest.raises(SealBroken):
        await provider.sign_mldsa(key, message=MESSAGE, context=CONTEXT, key_binding=b"other")
    await provider.destroy(key)
    if traits.native:
        with pytest.raises(KeyNotFound):
            await provider.sign_mldsa(key, message=MESSAGE, context=CONTEXT, key_binding=BINDING)


@every_set
async def test_an_external_mu_signs_the_message_it_was_made_from(provider, traits, parameter_set) -> None:
    key = await provider.generate_mldsa(parameter_set, key_binding=BINDING)
    if traits.native:
        with pytest.raises(UnsupportedAlgorithm, match="external mu"):
            await provider.sign_mldsa_mu(key, mu=mu_of(key), key_binding=BINDING)
        return
    signature = await provider.sign_mldsa_mu(key, mu=mu_of(key), key_binding=BINDING)
    check_ml_dsa(key, signature)
    for size in (0, 32, 63, 65):
        with pytest.raises(InvalidRequest, match="mu has 64 bytes"):
            await provider.sign_mldsa_mu(key, mu=bytes(size), key_binding=BINDING)
    with pytest.raises(SealBroken):
        await provider.sign_mldsa_mu(key, mu=mu_of(key), key_binding=b"other")


async def test_a_batch_may_mix_every_kind(provider, traits, composite, ml_dsa, ecdsa) -> None:
    digest = prehash(composite.algorithm, MESSAGE)
    kinds = [
        CompositeSignRequest(material=composite, digest=digest, context=CONTEXT, key_binding=BINDING),
        MlDsaSignRequest(material=ml_dsa, message=MESSAGE, context=CONTEXT, key_binding=BINDING),
        MlDsaMuSignRequest(material=ml_dsa, mu=mu_of(ml_dsa), key_binding=BINDING),
        EcdsaSignRequest(material=ecdsa, digest=digest_for(EcCurve.P256, MESSAGE)),
        EcdsaSignRequest(material=ecdsa, digest=b"too short"),
        MlDsaSignRequest(material=ml_dsa, message=MESSAGE, context=CONTEXT, key_binding=b"other"),
    ]
    answers = await provider.sign_many(kinds * 3)
    for number, answer in enumerate(answers):
        match number % len(kinds):
            case 0:
                public_key = CompositePublicKey.from_bytes(composite.algorithm, composite.public_key)
                verify(public_key, answer, message=MESSAGE, context=CONTEXT)
            case 1:
                check_ml_dsa(ml_dsa, answer)
            case 2 if traits.native:
                assert isinstance(answer, UnsupportedAlgorithm)
            case 2:
                check_ml_dsa(ml_dsa, answer)
            case 3:
                check_ecdsa(ecdsa, answer)
            case 4:
                assert isinstance(answer, InvalidRequest)
            case 5:
                assert isinstance(answer, SealBroken)


async def test_a_batch_of_the_longest_messages_is_signed(provider, traits, ml_dsa) -> None:
    """Together they are over what one frame to a signer process may hold."""
    messages = [bytes((number,)) * MAX_MESSAGE_SIZE for number in range(24)]
    requests = [
        MlDsaSignRequest(material=ml_dsa, message=message, context=CONTEXT, key_binding=BINDING) for message in messages
    ]
    if traits.ed25519:
        key = await provider.generate_ed25519()
        requests.append(Ed25519SignRequest(material=key, message=messages[0]))
    answers = await provider.sign_many(requests)
    assert not [answer for answer in answers if isinstance(answer, HsmError)]
    for message, answer in zip(messages, answers, strict=False):
        check_ml_dsa(ml_dsa, answer, message)


async def test_the_ml_dsa_half_of_a_composite_never_signs_alone(provider, composite, ml_dsa) -> None:
    public_key = composite.public_key[: MlDsaParameterSet.ML_DSA_44.public_key_size]
    disguised = replace(ml_dsa, post_quantum=composite.post_quantum, public_key=public_key)
    for binding in (BINDING, b""):
        with pytest.raises(SealBroken):
            await provider.sign_mldsa(disguised, message=MESSAGE, context=b"", key_binding=binding)
    with pytest.raises((SealBroken, UnsupportedAlgorithm)):
        await provider.sign_mldsa_mu(disguised, mu=mu_of(ml_dsa), key_binding=BINDING)


async def test_the_ecdsa_half_of_a_composite_never_signs_alone(provider, composite) -> None:
    point = composite.public_key[MlDsaParameterSet.ML_DSA_44.public_key_size :]
    disguised = EcdsaKeyMaterial(curve=EcCurve.P256, public_key=point, classical=composite.classical)
    digest = digest_for(EcCurve.P256, MESSAGE)
    with pytest.raises(SealBroken):
        await provider.sign_ecdsa(disguised, digest=digest)
    answers = await provider.sign_many([EcdsaSignRequest(material=disguised, digest=digest)] * 8)
    assert {type(answer) for answer in answers} == {SealBroken}


async def test_plain_keys_never_become_halves_of_a_composite(provider, composite, ml_dsa, ecdsa) -> None:
    digest = prehash(composite.algorithm, MESSAGE)
    joined = ml_dsa.public_key + ecdsa.public_key
    both = replace(composite, public_key=joined, classical=ecdsa.classical, post_quantum=ml_dsa.post_quantum)
    classical = replace(composite, public_key=joined, classical=ecdsa.classical)
    for disguised in (both, classical):
        with pytest.raises(SealBroken):
            await provider.sign_composite(disguised, digest=digest, context=CONTEXT, key_binding=BINDING)


async def test_a_key_of_another_kind_is_not_signed_with(provider, traits, ecdsa) -> None:
    """The material names a token key that is of another kind altogether."""
    if traits.ed25519:
        key = await provider.generate_ed25519()
        with pytest.raises(SealBroken):
            await provider.sign_ecdsa(replace(ecdsa, classical=key.classical), digest=bytes(32))
        with pytest.raises(SealBroken):
            await provider.sign_ed25519(replace(key, classical=ecdsa.classical), message=MESSAGE)
    with pytest.raises(KeyNotFound):
        await provider.sign_ecdsa(replace(ecdsa, classical=TokenKey(bytes(16))), digest=bytes(32))
