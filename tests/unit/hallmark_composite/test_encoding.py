import pytest
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from hallmark_composite import DEFAULT_ALGORITHM, EcCurve, InvalidSignature, MalformedPublicKey
from hallmark_composite.encoding import (
    decode_ecdsa_der,
    encode_ecdsa_der,
    join_public_key,
    join_signature,
    split_signature,
)

P256_SIZE = 32


@pytest.mark.parametrize("curve", EcCurve)
@pytest.mark.parametrize("r", [1, 0x7F, 0x80, 0xFF, 0x100, 1 << 200, (1 << 255) - 1, 1 << 255])
def test_raw_signatures_become_the_der_that_others_write(curve: EcCurve, r: int) -> None:
    s = 0x80
    raw = r.to_bytes(curve.coordinate_size, "big") + s.to_bytes(curve.coordinate_size, "big")
    der = encode_ecdsa_der(curve, raw)
    assert der == encode_dss_signature(r, s)
    assert decode_ecdsa_der(curve, der) == (r, s)


@pytest.mark.parametrize("curve", EcCurve)
def test_the_longest_der_has_the_size_of_the_table(curve: EcCurve) -> None:
    assert len(encode_ecdsa_der(curve, b"\xff" * 2 * curve.coordinate_size)) == curve.max_signature_size


@pytest.mark.parametrize(
    "raw", [b"", bytes(63), bytes(65), bytes(64), bytes(32) + b"\x01" * 32, b"\x01" * 32 + bytes(32)]
)
def test_raw_signatures_of_wrong_length_or_zero_are_refused(raw: bytes) -> None:
    with pytest.raises(InvalidSignature):
        encode_ecdsa_der(EcCurve.P256, raw)


@pytest.mark.parametrize(
    ("name", "der"),
    [
        ("empty", ""),
        ("not a sequence", "3106020101020101"),
        ("no contents", "3000"),
        ("one number", "3003020101"),
        ("three numbers", "3009020101020101020101"),
        ("length too long", "3007020101020101"),
        ("length too short", "3005020101020101"),
        ("bytes after", "300602010102010100"),
        ("long-form length", "308106020101020101"),
        ("indefinite length", "30800201010201010000"),
        ("long-form integer length", "30070281010102" + "0101"),
        ("leading zero", "300702020001020101"),
        ("zero r", "3006020100020101"),
        ("zero s", "3006020101020100"),
        ("negative r", "3006020181020101"),
        ("empty integer", "30050200020101"),
        ("not an integer", "3006030101020101"),
        ("r too long", "3026022101" + "00" * 32 + "020101"),
        ("integer beyond the end", "3006020101020201"),
    ],
)
def test_ber_and_nonsense_are_refused(name: str, der: str) -> None:
    with pytest.raises(InvalidSignature):
        decode_ecdsa_der(EcCurve.P256, bytes.fromhex(der))


def test_signatures_split_where_they_were_joined() -> None:
    ml_dsa = bytes(DEFAULT_ALGORITHM.ml_dsa.signature_size)
    ecdsa = encode_ecdsa_der(EcCurve.P256, b"\x01" * 64)
    assert split_signature(DEFAULT_ALGORITHM, join_signature(DEFAULT_ALGORITHM, ml_dsa=ml_dsa, ecdsa_der=ecdsa)) == (
        ml_dsa,
        ecdsa,
    )


@pytest.mark.parametrize("size", [0, 3308, 3309, 3382, 10_000])
def test_signatures_of_impossible_length_are_refused(size: int) -> None:
    with pytest.raises(InvalidSignature, match="bytes"):
        split_signature(DEFAULT_ALGORITHM, bytes(size))


def test_joining_checks_both_halves() -> None:
    ecdsa = encode_ecdsa_der(EcCurve.P256, b"\x01" * 64)
    with pytest.raises(InvalidSignature, match="ML-DSA half"):
        join_signature(DEFAULT_ALGORITHM, ml_dsa=bytes(10), ecdsa_der=ecdsa)
    with pytest.raises(InvalidSignature, match="ECDSA half"):
        join_signature(DEFAULT_ALGORITHM, ml_dsa=bytes(3309), ecdsa_der=b"\x01" * 64)
    with pytest.raises(MalformedPublicKey, match="ML-DSA half"):
        join_public_key(DEFAULT_ALGORITHM, ml_dsa=bytes(1), ec_point=b"\x04" + bytes(64))
    with pytest.raises(MalformedPublicKey, match="ECDSA half"):
        join_public_key(DEFAULT_ALGORITHM, ml_dsa=bytes(1952), ec_point=b"")
