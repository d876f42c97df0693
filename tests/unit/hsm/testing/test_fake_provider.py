"""What only the fake does; the port's contract is in tests/contract/hsm."""

from collections.abc import Callable

import pytest

from hallmark_composite import DEFAULT_ALGORITHM, MlDsaParameterSet, prehash
from hsm.errors import HsmBusy, HsmError, SignatureFault, TokenUnavailable
from hsm.provider import CompositeSignRequest
from hsm.testing import FakeKeyProvider, Operation

DIGEST = prehash(DEFAULT_ALGORITHM, b"message")


async def started(random_bytes: Callable[[int], bytes] | None = None) -> FakeKeyProvider:
    provider = FakeKeyProvider() if random_bytes is None else FakeKeyProvider(random_bytes)
    await provider.start()
    return provider


async def test_it_fails_when_told_and_as_often_as_told() -> None:
    provider = await started()
    key = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=b"")
    provider.fail_next(Operation.SIGN, TokenUnavailable("told so"), times=2)
    for _ in range(2):
        with pytest.raises(TokenUnavailable, match="told so"):
            await provider.sign_composite(key, digest=DIGEST, context=b"", key_binding=b"")
    assert provider.signatures_released == 0
    await provider.sign_composite(key, digest=DIGEST, context=b"", key_binding=b"")
    assert provider.signatures_released == 1


async def test_in_a_batch_each_item_may_fail() -> None:
    provider = await started()
    key = await provider.generate_composite(DEFAULT_ALGORITHM, key_binding=b"")
    provider.fail_next(Operation.SIGN, SignatureFault("told so"))
    request = CompositeSignRequest(material=key, digest=DIGEST, context=b"", key_binding=b"")
    answers = await provider.sign_many([request, request])
    assert [isinstance(answer, HsmError) for answer in answers] == [True, False]


@pytest.mark.parametrize("operation", [Operation.GENERATE, Operation.DESTROY, Operation.HEALTH])
async def test_other_operations_fail_too(operation: Operation) -> None:
    provider = await started()
    key = await provider.generate_ed25519()
    provider.fail_next(operation, HsmBusy("told so"))
    calls = {
        Operation.GENERATE: lambda: provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=b""),
        Operation.DESTROY: lambda: provider.destroy(key),
        Operation.HEALTH: provider.health,
    }
    with pytest.raises(HsmBusy):
        await calls[operation]()
    await calls[operation]()


async def test_start_can_fail_and_be_tried_again() -> None:
    provider = FakeKeyProvider()
    provider.fail_next(Operation.START, TokenUnavailable("told so"))
    with pytest.raises(TokenUnavailable):
        await provider.start()
    await provider.start()
    await provider.health()


async def test_it_asserts_that_it_is_used_as_the_port_says() -> None:
    provider = await started()
    with pytest.raises(AssertionError, match="twice"):
        await provider.start()
    await provider.close()
    with pytest.raises(AssertionError, match="after close"):
        await provider.generate_ed25519()


async def test_repeating_randomness_is_noticed() -> None:
    provider = await started(bytes)
    await provider.generate_ed25519()
    with pytest.raises(AssertionError, match="repeats"):
        await provider.generate_ed25519()
    await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=b"")
    with pytest.raises(AssertionError, match="nonce"):
        await provider.generate_mldsa(MlDsaParameterSet.ML_DSA_44, key_binding=b"")
