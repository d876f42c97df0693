"""What is remembered of a model: one spelling, and an error of its own for anything else."""

import contextlib
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client.device.errors import ContentInvalid
from hallmark_client.device.updates.remembered import Remembered

KNOWN = Remembered(epoch=7, digest="ab" * 32, installed="", time=datetime(2026, 11, 22, 9, 0, 0, 5, tzinfo=UTC))


def test_there_and_back() -> None:
    for known in (Remembered(), KNOWN):
        assert Remembered.parse(known.to_bytes()) == known


@given(st.binary(max_size=200))
def test_any_bytes(data: bytes) -> None:
    with contextlib.suppress(ContentInvalid):
        Remembered.parse(data)


@given(at=st.integers(0, len(KNOWN.to_bytes()) - 1), byte=st.integers(0, 255))
def test_any_changed_byte(at: int, byte: int) -> None:
    data = bytearray(KNOWN.to_bytes())
    data[at] = byte
    with contextlib.suppress(ContentInvalid):
        assert Remembered.parse(bytes(data)).to_bytes() == data


@pytest.mark.parametrize("changed", [b'{"epoch":true', b'{"epoch":"7"', b'{"more":1'])
def test_other_members_and_types(changed: bytes) -> None:
    name = b'{"digest":"' + b"ab" * 32 + b'","epoch":7'
    assert name in KNOWN.to_bytes()
    with pytest.raises(ContentInvalid):
        Remembered.parse(KNOWN.to_bytes().replace(name, changed))
