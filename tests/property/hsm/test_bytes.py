"""Foreign bytes: parsers raise only their own error; the seal's associated data name one key and no other."""

import contextlib

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsm.errors import InvalidRequest
from hsm.material import (
    CompositeKeyMaterial,
    EcdsaKeyMaterial,
    Ed25519KeyMaterial,
    MlDsaKeyMaterial,
    material_from_bytes,
)
from hsm.pkcs11.frames import MAX_FRAME_SIZE, BadFrame, FrameBuffer, encode_frame
from hsm.sealing import COMPONENT_LABEL, ECDSA_LABEL, ED25519_LABEL, associated_data, native_label

KINDS = (CompositeKeyMaterial, MlDsaKeyMaterial, EcdsaKeyMaterial, Ed25519KeyMaterial)
NAMES = ["composite", "composite-native", "ml-dsa", "ml-dsa-native", "ecdsa", "ed25519"]
scalars = st.none() | st.integers() | st.binary(max_size=64) | st.text(max_size=32) | st.booleans()
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=8) | st.dictionaries(st.text(max_size=4), inner))


@given(st.binary(max_size=512))
def test_foreign_bytes_are_no_material(data: bytes) -> None:
    for kind in KINDS:
        with pytest.raises(InvalidRequest):
            kind.from_bytes(data)
    with pytest.raises(InvalidRequest):
        material_from_bytes(data)


@given(st.sampled_from(NAMES), st.lists(scalars, max_size=10))
def test_foreign_arrays_are_no_material(name: str, fields: list) -> None:
    for kind in KINDS:
        with pytest.raises(InvalidRequest):
            kind.from_bytes(cbor2.dumps([name, *fields]))
    with pytest.raises(InvalidRequest):
        material_from_bytes(cbor2.dumps([name, *fields]))


@given(st.lists(st.tuples(st.integers(0, 1 << 40), trees, trees), max_size=5), st.integers(1, 64))
def test_frames_survive_any_cut(frames: list[tuple], size: int) -> None:
    stream = b"".join(encode_frame(list(frame)) for frame in frames)
    buffer, taken = FrameBuffer(), []
    for start in range(0, len(stream), size):
        buffer.add(stream[start : start + size])
        while (frame := buffer.take()) is not None:
            taken.append(tuple(frame))
    assert taken == frames


@given(st.binary(min_size=4, max_size=512))
def test_foreign_bytes_are_bad_frames_or_wait_for_more(data: bytes) -> None:
    buffer = FrameBuffer()
    buffer.add(data)
    with contextlib.suppress(BadFrame):
        while (frame := buffer.take()) is not None:
            assert len(frame) == 3


@pytest.mark.parametrize("size", [0, MAX_FRAME_SIZE + 1, 0xFFFFFFFF])
def test_frames_of_impossible_size_are_refused(size: int) -> None:
    buffer = FrameBuffer()
    buffer.add(size.to_bytes(4, "big"))
    with pytest.raises(BadFrame):
        buffer.take()


def test_frames_over_the_limit_are_not_sent() -> None:
    with pytest.raises(BadFrame):
        encode_frame([1, None, bytes(MAX_FRAME_SIZE)])


names = st.fixed_dictionaries(
    {
        "kek_id": st.binary(max_size=20),
        "algorithm": st.text(max_size=10),
        "public_key": st.binary(max_size=20),
        "key_binding": st.binary(max_size=20),
    }
)


@given(st.text(max_size=10), st.binary(max_size=20), st.text(max_size=10), st.binary(max_size=20))
def test_native_labels_name_one_use(first: str, first_binding: bytes, second: str, second_binding: bytes) -> None:
    labels = [
        native_label(algorithm=algorithm, key_binding=binding)
        for algorithm, binding in ((first, first_binding), (second, second_binding))
    ]
    assert (labels[0] == labels[1]) == ((first, first_binding) == (second, second_binding))
    assert not {*labels} & {COMPONENT_LABEL, ECDSA_LABEL, ED25519_LABEL}


@given(names, names)
def test_associated_data_name_one_key(first: dict, second: dict) -> None:
    assert (associated_data(**first) == associated_data(**second)) == (first == second)


@given(st.binary(min_size=1, max_size=8), st.binary(max_size=8))
def test_bytes_do_not_move_between_fields(moved: bytes, rest: bytes) -> None:
    left = associated_data(kek_id=moved, algorithm="", public_key=b"", key_binding=rest)
    right = associated_data(kek_id=b"", algorithm="", public_key=b"", key_binding=moved + rest)
    assert left != right
