import cbor2
import pytest

from attestation import EvidenceError, cbor

VALUES = [
    0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**64 - 1, -1, -24, -25, -(2**64),
    b"", b"bytes", "", "text é", True, False, None, 1.5, -2.0e100,
    {1: 64, 2: True, 3: "Google"}, {"a": {"b": [1, [2, [3]]]}}, [],
]  # fmt: skip


def as_tuples(value):
    if isinstance(value, list):
        return tuple(map(as_tuples, value))
    return {key: as_tuples(item) for key, item in value.items()} if isinstance(value, dict) else value


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_agrees_with_an_independent_encoder(value):
    assert cbor.decode(cbor2.dumps(value)) == as_tuples(value)


def test_tags_are_kept():
    assert cbor.decode(cbor2.dumps(cbor2.CBORTag(399, b"x"))) == cbor.Tagged(399, b"x")


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ("", "cut short"),
        ("0000", "follow"),
        ("a201010102", "twice"),
        ("a1f501", "key"),
        ("a18001", "key"),
        ("9f01ff", "indefinite"),
        ("5f4101ff", "indefinite"),
        ("1817", "longer than needed"),
        ("190018", "longer than needed"),
        ("61ff", "UTF-8"),
        ("f7", "simple"),
        ("5b7fffffffffffffff", "cut short"),
        ("9b7fffffffffffffff", "too many"),
        ("81" * 18 + "00", "too deep"),
    ],
)
def test_what_is_not_strict_is_refused(data, sentence):
    with pytest.raises(EvidenceError, match=sentence):
        cbor.decode(bytes.fromhex(data))


def test_the_number_of_items_is_bounded():
    assert len(cbor.decode(cbor2.dumps([0] * 4000))) == 4000
    with pytest.raises(EvidenceError, match="too many"):
        cbor.decode(cbor2.dumps([[0] * 4000, [0] * 4000]))
