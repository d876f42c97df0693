import pickle

import pytest

from hallmark_envelope import (
    AEAD_ID,
    KDF_ID,
    MAX_ENVELOPE_SIZE,
    MAX_INFO_SIZE,
    EnvelopeInvalid,
    EnvelopePrivateKey,
    HpkeKem,
    MalformedInput,
    MalformedKey,
    TransferAlgorithm,
    export_info,
    import_info,
    seal_envelope,
)

SEED, OTHER = bytes(range(32)), bytes(32)


@pytest.fixture(params=HpkeKem, ids=lambda kem: kem.standard_name)
def kem(request: pytest.FixtureRequest) -> HpkeKem:
    return request.param


def test_the_suite_has_its_registered_numbers() -> None:
    assert (KDF_ID, AEAD_ID, *HpkeKem) == (1, 2, 0x647A, 0x0051)


def test_what_is_sealed_opens(kem: HpkeKem) -> None:
    key = EnvelopePrivateKey.from_seed(kem, SEED)
    assert len(key.public_key) == kem.public_key_size
    first, second = [seal_envelope(key.public_key, kem, b"content", info=b"for") for _ in range(2)]
    assert first != second
    assert len(first) == kem.overhead + len(b"content")
    assert key.open(first, info=b"for") == key.open(second, info=b"for") == b"content"


def test_nothing_else_opens(kem: HpkeKem) -> None:
    key = EnvelopePrivateKey.from_seed(kem, SEED)
    envelope = seal_envelope(key.public_key, kem, b"content", info=b"for")
    wrong = [(key, envelope, b"of"), (EnvelopePrivateKey.from_seed(kem, OTHER), envelope, b"for")]
    wrong += [(key, envelope[:size], b"for") for size in (0, 1, kem.enc_size, kem.overhead - 1, len(envelope) - 1)]
    for position in (0, kem.enc_size - 100, kem.enc_size - 1, kem.enc_size, len(envelope) - 1):
        changed = bytearray(envelope)
        changed[position] ^= 0x10
        wrong.append((key, bytes(changed), b"for"))
    texts = set()
    for opener, sealed, info in wrong:
        with pytest.raises(EnvelopeInvalid) as caught:
            opener.open(sealed, info=info)
        texts.add(str(caught.value))
        assert caught.value.__cause__ is None
    assert len(texts) == 1


def test_an_ephemeral_key_of_small_order_is_one_more_invalid_envelope() -> None:
    key = EnvelopePrivateKey.from_seed(HpkeKem.MLKEM768_X25519, SEED)
    envelope = bytearray(seal_envelope(key.public_key, key.kem, b"content"))
    envelope[1088:1120] = bytes(32)
    with pytest.raises(EnvelopeInvalid):
        key.open(bytes(envelope))


def test_keys_that_are_none_are_refused(kem: HpkeKem) -> None:
    public_key = EnvelopePrivateKey.from_seed(kem, SEED).public_key
    not_reduced = b"\xff" * 384 + public_key[384:]  # coefficients over q: FIPS 203, section 7.2
    for wrong in (b"", public_key[:-1], public_key + b"\x00", not_reduced, public_key[:-32] + bytes(32)):
        with pytest.raises(MalformedKey):
            seal_envelope(wrong, kem, b"content")
    for seed in (b"", bytes(31), bytes(33)):
        with pytest.raises(MalformedKey):
            EnvelopePrivateKey.from_seed(kem, seed)


def test_points_in_another_form_are_refused() -> None:
    kem = HpkeKem.MLKEM1024_P384
    public_key = EnvelopePrivateKey.from_seed(kem, SEED).public_key
    hybrid_form = public_key[:1568] + b"\x06" + public_key[1569:]
    with pytest.raises(MalformedKey):
        seal_envelope(hybrid_form, kem, b"content")


def test_the_limits(kem: HpkeKem) -> None:
    key = EnvelopePrivateKey.from_seed(kem, SEED)
    longest = bytes(kem.max_plaintext_size)
    envelope = seal_envelope(key.public_key, kem, longest, info=bytes(MAX_INFO_SIZE))
    assert len(envelope) == MAX_ENVELOPE_SIZE
    assert key.open(envelope, info=bytes(MAX_INFO_SIZE)) == longest
    with pytest.raises(MalformedInput):
        seal_envelope(key.public_key, kem, longest + b"x")
    with pytest.raises(MalformedInput):
        seal_envelope(key.public_key, kem, b"", info=bytes(MAX_INFO_SIZE + 1))
    with pytest.raises(MalformedInput):
        key.open(envelope + b"x")
    with pytest.raises(MalformedInput):
        key.open(b"", info=bytes(MAX_INFO_SIZE + 1))


def test_a_private_key_shows_nothing(kem: HpkeKem) -> None:
    key = EnvelopePrivateKey.from_seed(kem, SEED)
    assert repr(key) == f"EnvelopePrivateKey({kem.standard_name}, hidden)"
    with pytest.raises(TypeError):
        pickle.dumps(key)


def test_the_info_of_a_transfer_is_unambiguous() -> None:
    made = {
        make(algorithm=algorithm, key_name=name)
        for make in (import_info, export_info)
        for algorithm in TransferAlgorithm
        for name in ("", "a", "tenants/t/keys/k")
    }
    assert len(made) == 2 * len(TransferAlgorithm) * 3
    assert import_info(algorithm=TransferAlgorithm.ED25519, key_name="k") == (
        b"hallmark-key-import-v1\x00\x00\x00\x07Ed25519\x00\x00\x00\x01k"
    )
    with pytest.raises(MalformedInput):
        import_info(algorithm=TransferAlgorithm.ED25519, key_name="k" * 1024)
