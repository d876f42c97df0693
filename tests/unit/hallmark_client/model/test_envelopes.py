import dataclasses
import json
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client import Algorithm, EnvelopeKey, HallmarkError, InvalidArgument, SealedEnvelope, VerificationFailed
from hallmark_envelope import AEAD_ID, KDF_ID

NOW = datetime.now(UTC)


@pytest.fixture
def stated(client) -> EnvelopeKey:
    client.keys.create("telemetry", purpose="ENVELOPE")
    return client.envelopes.key("telemetry")


def test_a_verified_statement_seals(fake, client, stated: EnvelopeKey) -> None:
    sealed = stated.verify(fake.trusted_keys).seal(b"x" * 1000, info=b"use", now=NOW)
    assert (sealed.kdf_id, sealed.aead_id) == (KDF_ID, AEAD_ID)
    assert len(sealed.envelope) == 1000 + 1120 + 16
    assert client.envelopes.open(sealed, info=b"use").plaintext == b"x" * 1000


@pytest.mark.parametrize(
    "change",
    [
        {"name": "tenants/default/keys/telemetry/versions/2"},
        {"kem_id": 0x0051},
        {"kdf_id": 2},
        {"aead_id": 1},
        {"public_key": bytes(1216)},
        {"public_key_crc32c": 1},
        {"not_after": NOW + timedelta(days=400)},
        {"algorithm": Algorithm.HPKE_MLKEM1024_P384},
    ],
    ids=lambda change: next(iter(change)),
)
def test_no_field_may_say_something_else_than_what_is_signed(fake, stated: EnvelopeKey, change: dict) -> None:
    with pytest.raises(VerificationFailed) as refused:
        dataclasses.replace(stated, **change).verify(fake.trusted_keys)
    assert refused.value.reason == "ENVELOPE_KEY_INVALID"


def test_another_payload_does_not_verify(fake, stated: EnvelopeKey) -> None:
    with pytest.raises(HallmarkError) as refused:
        dataclasses.replace(stated, payload=stated.payload.replace(b"telemetry", b"telemetrx")).verify(
            fake.trusted_keys
        )
    assert refused.value.reason == "SIGNATURE_INVALID"


def test_a_signature_for_another_use_does_not_count(fake, stated: EnvelopeKey) -> None:
    other = dataclasses.replace(stated.signature, context="hallmark/heartbeat/v1")
    with pytest.raises(VerificationFailed) as refused:
        dataclasses.replace(stated, signature=other).verify(fake.trusted_keys)
    assert refused.value.reason == "CONTEXT_MISMATCH"


def test_after_its_time_a_key_seals_nothing(fake, stated: EnvelopeKey) -> None:
    key = stated.verify(fake.trusted_keys)
    with pytest.raises(VerificationFailed) as refused:
        key.seal(b"x", now=key.not_after + timedelta(seconds=1))
    assert refused.value.reason == "ENVELOPE_KEY_EXPIRED"


def test_what_is_too_large_is_said_here(fake, stated: EnvelopeKey) -> None:
    key = stated.verify(fake.trusted_keys)
    for plaintext, info in ((bytes(1 << 20), b""), (b"", bytes(1025))):
        with pytest.raises(InvalidArgument):
            key.seal(plaintext, info=info, now=NOW)


def test_no_repr_shows_a_plaintext(fake, client, stated: EnvelopeKey) -> None:
    opened = client.envelopes.open(stated.verify(fake.trusted_keys).seal(b"top secret", now=NOW))
    made = client.envelopes.data_key("telemetry")
    assert "top secret" not in repr(opened)
    assert repr(made.plaintext) not in repr(made)


@given(st.text(max_size=80), st.integers(0, 2**40), st.binary(max_size=100))
def test_an_envelope_file_comes_back_as_it_was(key_version: str, kem_id: int, envelope: bytes) -> None:
    sealed = SealedEnvelope(key_version=key_version, kem_id=kem_id, kdf_id=1, aead_id=2, envelope=envelope)
    assert SealedEnvelope.from_bytes(sealed.to_bytes()) == sealed


@given(
    st.binary(max_size=200)
    | st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10),
        lambda children: (
            st.lists(children, max_size=3)
            | st.dictionaries(
                st.sampled_from(["v", "key_version", "kem_id", "kdf_id", "aead_id", "envelope"]), children
            )
        ),
        max_leaves=8,
    ).map(lambda value: json.dumps(value).encode())
)
def test_other_files_are_refused_in_one_way(content: bytes) -> None:
    try:
        SealedEnvelope.from_bytes(content)
    except InvalidArgument as refused:
        reason = refused.reason
    else:
        reason = "ENVELOPE_FILE_INVALID"
    assert reason == "ENVELOPE_FILE_INVALID"


@pytest.mark.parametrize("content", [b"", b"[" * 100_000, b"{}", b'{"v":1}', b"\xff", b" " * 2_000_000])
def test_files_that_are_no_envelopes(content: bytes) -> None:
    with pytest.raises(InvalidArgument) as refused:
        SealedEnvelope.from_bytes(content)
    assert refused.value.reason == "ENVELOPE_FILE_INVALID"
