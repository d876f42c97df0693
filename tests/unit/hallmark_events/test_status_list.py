import zlib

import pytest

from hallmark_events.errors import StatusListInvalid
from hallmark_events.status_list import (
    StatusList,
    StatusReference,
    aggregation,
    parse_aggregation,
    parse_reference,
)

# draft-ietf-oauth-status-list-21, sections 4.1 and 4.2.
ONE_BIT = [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1]
TWO_BITS = [1, 2, 0, 3, 0, 1, 0, 1, 1, 2, 3, 3]


@pytest.mark.parametrize(
    ("bits", "values", "raw", "lst"),
    [(1, ONE_BIT, "b9a3", "eNrbuRgAAhcBXQ"), (2, TWO_BITS, "c944f9", "eNo76fITAAPfAgc")],
)
def test_the_examples_of_the_draft_in_both_directions(bits, values, raw, lst) -> None:
    made = StatusList.from_values(values, bits)
    assert made.raw.hex() == raw
    assert made.to_json() == {"bits": bits, "lst": lst}
    read = StatusList.from_json({"bits": bits, "lst": lst})
    assert list(read) == values
    assert read == made


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_one_status_changes_no_other(bits) -> None:
    statuses = StatusList.of_size(40, bits)
    assert len(statuses) == 40
    statuses[17] = 2**bits - 1
    statuses[18] = 1
    assert [(index, value) for index, value in enumerate(statuses) if value] == [(17, 2**bits - 1), (18, 1)]
    statuses[17] = 0
    assert (statuses[17], statuses[18]) == (0, 1)
    other = statuses.copy()
    other[0] = 1
    assert statuses != other


def test_sizes_are_rounded_up_to_bytes() -> None:
    assert len(StatusList.of_size(5, 2)) == 8
    assert len(StatusList.of_size(0, 2)) == 0


def test_an_index_that_is_not_there_says_nothing() -> None:
    statuses = StatusList.of_size(8, 2)
    for index in (-1, 8, 2**70):
        with pytest.raises(StatusListInvalid):
            statuses[index]
        with pytest.raises(StatusListInvalid):
            statuses[index] = 1
    for value in (-1, 4):
        with pytest.raises(StatusListInvalid):
            statuses[0] = value


@pytest.mark.parametrize("bits", [0, 3, 16, -1, True])
def test_there_are_four_widths(bits) -> None:
    with pytest.raises(StatusListInvalid):
        StatusList(bits, b"")


def test_compressed_bytes_are_bounded_and_whole() -> None:
    data = zlib.compress(bytes(1_000))
    assert StatusList.decompress(data, 1, raw_bytes_max=1_000).raw == bytes(1_000)
    bomb = zlib.compress(bytes(5 * 2**20), 9)
    assert len(bomb) < 6_000
    for refused, most in (
        (data, 999),
        (data[:-1], 1_000),
        (data + b"\0", 1_000),
        (b"", 10),
        (b"no", 10),
        (bomb, 2**22),
    ):
        with pytest.raises(StatusListInvalid):
            StatusList.decompress(refused, 1, raw_bytes_max=most)
    with pytest.raises(StatusListInvalid):
        StatusList.of_size(2**26, 8)


@pytest.mark.parametrize(
    "value",
    [None, {}, {"bits": "1", "lst": "eNrbuRgAAhcBXQ"}, {"bits": 1, "lst": "eNrbuRgAAhcBXQ=="}, {"bits": 3, "lst": "eNrbuRgAAhcBXQ"},
     {"bits": True, "lst": "eNrbuRgAAhcBXQ"}, {"bits": 1, "lst": "*"}],
    ids=str,
)  # fmt: skip
def test_what_is_no_list_is_refused(value) -> None:
    with pytest.raises(StatusListInvalid):
        StatusList.from_json(value)


def test_references() -> None:
    reference = StatusReference(3, "https://example.com/statuslists/1")
    assert parse_reference(reference.to_json()) == reference
    for value in (
        None,
        {},
        {"status_list": {"idx": -1, "uri": "https://x"}},
        {"status_list": {"idx": True, "uri": "https://x"}},
        {"status_list": {"idx": 1, "uri": "no uri"}},
        {"status_list": {"idx": 1}},
    ):
        with pytest.raises(StatusListInvalid):
            parse_reference(value)


def test_aggregation() -> None:
    uris = ("https://example.com/statuslists/1", "https://example.com/statuslists/2")
    assert parse_aggregation(aggregation(uris)) == uris
    for value in ({}, {"status_lists": "https://x"}, {"status_lists": [1]}, {"status_lists": ["https://x"] * 10_001}):
        with pytest.raises(StatusListInvalid):
            parse_aggregation(value)
