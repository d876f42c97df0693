"""Parsers raise only this package's errors, whatever the bytes, and accept only what they would write."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_composite import (
    ALGORITHMS,
    CompositeError,
    CompositePublicKey,
    EcCurve,
    InvalidSignature,
    message_representative,
)
from hallmark_composite.encoding import decode_ecdsa_der, encode_ecdsa_der, split_signature

algorithms = st.sampled_from(list(ALGORITHMS.values()))
curves = st.sampled_from(EcCurve)


@given(st.binary(max_size=4096))
def test_foreign_bytes_are_refused_as_keys(data: bytes) -> None:
    for parse in (CompositePublicKey.from_spki_der, CompositePublicKey.from_spki_pem):
        with pytest.raises(CompositeError):
            parse(data)


@given(st.text(max_size=200))
def test_foreign_text_is_refused_as_pem(text: str) -> None:
    with pytest.raises(CompositeError):
        CompositePublicKey.from_spki_pem(f"-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")


@given(algorithms, st.data())
def test_raw_keys_of_the_right_size_parse_or_are_refused(algorithm, data) -> None:
    point = data.draw(st.binary(min_size=algorithm.curve.point_size, max_size=algorithm.curve.point_size))
    with contextlib.suppress(CompositeError):
        raw = bytes(algorithm.ml_dsa.public_key_size) + point
        assert CompositePublicKey.from_bytes(algorithm, raw).raw == raw


@given(curves, st.binary(max_size=110))
def test_der_that_is_accepted_is_the_der_we_write(curve: EcCurve, data: bytes) -> None:
    with contextlib.suppress(InvalidSignature):
        r, s = decode_ecdsa_der(curve, data)
        size = curve.coordinate_size
        assert encode_ecdsa_der(curve, r.to_bytes(size, "big") + s.to_bytes(size, "big")) == data


@given(curves, st.data())
def test_raw_signatures_survive_der(curve: EcCurve, data) -> None:
    r, s = (data.draw(st.integers(1, (1 << 8 * curve.coordinate_size) - 1)) for _ in range(2))
    size = curve.coordinate_size
    assert decode_ecdsa_der(curve, encode_ecdsa_der(curve, r.to_bytes(size, "big") + s.to_bytes(size, "big"))) == (r, s)


@given(algorithms, st.binary(max_size=128))
def test_foreign_tails_are_refused_as_signatures(algorithm, tail: bytes) -> None:
    with contextlib.suppress(InvalidSignature):
        ml_dsa, ecdsa = split_signature(algorithm, bytes(algorithm.ml_dsa.signature_size) + tail)
        assert ecdsa == tail
        assert len(ml_dsa) == algorithm.ml_dsa.signature_size


@given(algorithms, st.binary(max_size=255), st.binary(max_size=255))
def test_representatives_differ_when_contexts_do(algorithm, first: bytes, second: bytes) -> None:
    digest = bytes(algorithm.prehash_size)
    same = message_representative(algorithm, digest, first) == message_representative(algorithm, digest, second)
    assert same == (first == second)
