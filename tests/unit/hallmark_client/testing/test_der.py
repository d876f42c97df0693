import pytest
from hypothesis import given
from hypothesis import strategies as st

from hallmark_client.testing import der
from hallmark_client.testing.virtual_device import DeviceRoot, judge


@given(st.lists(st.tuples(st.sampled_from([der.SEQUENCE, der.OCTET_STRING, b"\xbf\x85\x40"]), st.binary(max_size=300))))
def test_what_is_written_is_read(values: list[tuple[bytes, bytes]]) -> None:
    assert der.decode(b"".join(der.encode(tag, content) for tag, content in values)) == values


@given(st.binary())
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        values = der.decode(data)
    except ValueError:
        return
    assert sum(len(tag) + len(content) for tag, content in values) <= len(data)


@pytest.mark.parametrize("data", [b"\x30", b"\x30\x01", b"\x1f", b"\xbf\x85", b"\x30\x84\0\0\0\0", b"\x30\x82\x01"])
def test_what_is_cut_off_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut off"):
        der.decode(data)


@given(st.lists(st.binary(), max_size=3))
def test_the_judge_never_raises(certificates: list[bytes]) -> None:
    assert not judge(certificates, root=_ROOT, challenge=bytes(32), key_spki=b"").authentic


def _root() -> DeviceRoot:
    from datetime import UTC, datetime

    return DeviceRoot(datetime(2026, 11, 21, tzinfo=UTC))


_ROOT = _root()
