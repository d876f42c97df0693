import pytest

from composite_keys import SoftwareCompositeKey
from hallmark_composite import (
    ALGORITHMS,
    DEFAULT_ALGORITHM,
    InvalidSignature,
    MalformedInput,
    message_representative,
    prehash,
    verify,
)
from hallmark_composite.encoding import join_signature

MESSAGE = b"model manifest"


@pytest.fixture(params=ALGORITHMS.values(), ids=str, scope="module")
def key(request: pytest.FixtureRequest) -> SoftwareCompositeKey:
    return SoftwareCompositeKey(request.param)


def test_a_signature_verifies_and_says_what_was_signed(key: SoftwareCompositeKey) -> None:
    fact = verify(key.public_key, key.sign(MESSAGE, b"ctx"), message=MESSAGE, context=b"ctx")
    assert fact.public_key == key.public_key
    assert fact.digest == prehash(key.algorithm, MESSAGE)
    assert fact.context == b"ctx"


def test_the_prehash_will_do_instead_of_the_message(key: SoftwareCompositeKey) -> None:
    signature = key.sign(MESSAGE)
    assert verify(key.public_key, signature, digest=prehash(key.algorithm, MESSAGE)).context == b""


def test_another_message_or_context_does_not_verify(key: SoftwareCompositeKey) -> None:
    signature = key.sign(MESSAGE, b"ctx")
    for message, context in ((MESSAGE + b".", b"ctx"), (MESSAGE, b""), (MESSAGE, b"ctx2")):
        with pytest.raises(InvalidSignature):
            verify(key.public_key, signature, message=message, context=context)


def test_each_half_must_verify(key: SoftwareCompositeKey) -> None:
    other = SoftwareCompositeKey(key.algorithm)
    ml_dsa, ecdsa = key.halves(MESSAGE)
    other_ml_dsa, other_ecdsa = other.halves(MESSAGE)
    with pytest.raises(InvalidSignature, match="ML-DSA half"):
        verify(key.public_key, join_signature(key.algorithm, ml_dsa=other_ml_dsa, ecdsa_der=ecdsa), message=MESSAGE)
    with pytest.raises(InvalidSignature, match="ECDSA half"):
        verify(key.public_key, join_signature(key.algorithm, ml_dsa=ml_dsa, ecdsa_der=other_ecdsa), message=MESSAGE)


def test_the_ml_dsa_half_must_use_the_label_as_context(key: SoftwareCompositeKey) -> None:
    representative = message_representative(key.algorithm, prehash(key.algorithm, MESSAGE))
    without_label = key.ml_dsa_key.sign(representative, b"")
    signature = join_signature(key.algorithm, ml_dsa=without_label, ecdsa_der=key.sign_ecdsa(representative))
    with pytest.raises(InvalidSignature, match="ML-DSA half"):
        verify(key.public_key, signature, message=MESSAGE)


def test_a_changed_byte_anywhere_does_not_verify() -> None:
    key = SoftwareCompositeKey(DEFAULT_ALGORITHM)
    signature = key.sign(MESSAGE)
    boundary = key.algorithm.ml_dsa.signature_size
    for position in (0, 31, boundary - 1, boundary, boundary + 1, boundary + 4, len(signature) - 1):
        changed = bytearray(signature)
        changed[position] ^= 0x10
        with pytest.raises(InvalidSignature):
            verify(key.public_key, bytes(changed), message=MESSAGE)


def test_honest_halves_of_one_message_may_be_mixed() -> None:
    """Why signature bytes are no identity: the scheme promises EUF-CMA, not strong unforgeability."""
    key = SoftwareCompositeKey(DEFAULT_ALGORITHM)
    (first_ml_dsa, _), (_, second_ecdsa) = key.halves(MESSAGE), key.halves(MESSAGE)
    mixed = join_signature(key.algorithm, ml_dsa=first_ml_dsa, ecdsa_der=second_ecdsa)
    assert verify(key.public_key, mixed, message=MESSAGE).digest == prehash(key.algorithm, MESSAGE)


def test_exactly_one_of_message_and_digest_is_given() -> None:
    key = SoftwareCompositeKey(DEFAULT_ALGORITHM)
    signature = key.sign(MESSAGE)
    with pytest.raises(MalformedInput, match="not both"):
        verify(key.public_key, signature)
    with pytest.raises(MalformedInput, match="not both"):
        verify(key.public_key, signature, message=MESSAGE, digest=prehash(key.algorithm, MESSAGE))
    with pytest.raises(MalformedInput, match="64"):
        verify(key.public_key, signature, digest=bytes(32))
