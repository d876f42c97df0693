import pytest

from hallmark_tlog.bundles import MAX_ENTRY_BYTES, format_bundle, parse_bundle
from hallmark_tlog.errors import FormatError


@pytest.mark.parametrize("entries", [[b"one"], [b"", b"", b"x"], [b"y" * MAX_ENTRY_BYTES], [b"z"] * 256])
def test_a_bundle_reads_back(entries: list[bytes]) -> None:
    assert parse_bundle(format_bundle(entries), len(entries)) == entries


def test_the_bytes_of_a_bundle() -> None:
    assert format_bundle([b"one", b""]) == b"\x00\x03one\x00\x00"


@pytest.mark.parametrize(
    ("data", "width"),
    [(b"", 1), (b"\x00", 1), (b"\x00\x01", 1), (b"\x00\x01ab", 1), (b"\x00\x00", 2), (b"\x00\x00\x00\x00", 1)],
)
def test_malformed_bundles(data: bytes, width: int) -> None:
    with pytest.raises(FormatError):
        parse_bundle(data, width)


@pytest.mark.parametrize("entries", [[], [b""] * 257, [b"x" * (MAX_ENTRY_BYTES + 1)]])
def test_impossible_bundles(entries: list[bytes]) -> None:
    with pytest.raises(FormatError):
        format_bundle(entries)
