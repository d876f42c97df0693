"""Token Status Lists against the vectors of draft-ietf-oauth-status-list-21, and against a folder of more.

The folder's status-list/*.json each hold {"bits", "lst", "values"} or {"bits", "lst", "size", "set": {index: value}}.
Builds of zlib may choose other bytes for the same list: the bytes before zlib must be equal.
"""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from hallmark_events.base64url import decode_base64url, encode_base64url
from hallmark_events.errors import StatusListInvalid
from hallmark_events.status_list import StatusList

SIZE = 2**20
INDICES = (0, 1993, 25460, 159495, 495669, 554353, 645645, 723232, 854545, 934534, 1000345)
ONE = dict.fromkeys(INDICES, 1)
TWO = {**ONE, 1993: 2, 159495: 3, 645645: 2, 934534: 2, 1000345: 3}
FOUR_INDICES = (0, 1993, 35460, 459495, 595669, 754353, 845645, 923232, 924445, 934534, 1004534, 1000345)
FOUR = {index: value for value, index in enumerate((*FOUR_INDICES, 1030203, 1030204, 1030205), 1)}
"""Appendix C: lists of 2^20 statuses, 0 where nothing is said."""
LST = {
    1: "eNrt3AENwCAMAEGogklACtKQPg9LugC9k_ACvreiogEAAKkeCQAAAAAAAAAAAAAAAAAAAIBylgQAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAXG9IAAAAAAAAAPwsJAAAAAAAAAAAAAAAvhsSAAAAAAAAAAAA7KpLAAAAAAAAAAAAAAAAAAAAAJsLCQAA"
    "AAAAAAAAADjelAAAAAAAAAAAKjDMAQAAAACAZC8L2AEb",
    2: "eNrt2zENACEQAEEuoaBABP5VIO01fCjIHTMStt9ovGVIAAAAAABAbiEBAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEB5WwIA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AID0ugQAAAAAAAAAAAAAAAAAQG12SgAAAAAAAAAAAAAAAAAAAAAAAAAAAOCSIQEAAAAAAAAAAAAAAAAAAAAAAAD8ExIAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAwJEuAQAAAAAAAAAAAAAAAAAAAAAAAMB9SwIAAAAAAAAAAAAAAAAAAACoYUoAAAAAAAAAAAAAAEBq"
    "H81gAQw",
    4: "eNrt0EENgDAQADAIHwImkIIEJEwCUpCEBBQRHOy35Li1EjoOQGabAgAAAAAAAAAAAAAAAAAAACC1SQEAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABADrsCAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAADoxaEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAIIoCgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAACArpwKAAAAAAAA"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAGhqVkAzlwIAAAAAiGVRAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABx"
    "3AoAgLpVAQAAAAAAAAAAAAAAwM89rwMAAAAAAAAAAAjsA9xMBMA",
}


def listed(bits: int, values: dict[int, int], size: int = SIZE) -> StatusList:
    made = StatusList.of_size(size, bits)
    for index, value in values.items():
        made[index] = value
    return made


@pytest.mark.parametrize(("bits", "values"), [(1, ONE), (2, TWO), (4, FOUR)])
def test_the_drafts_lists_are_read(bits, values) -> None:
    read = StatusList.from_json({"bits": bits, "lst": LST[bits]})
    assert len(read) == SIZE
    assert {index: value for index, value in enumerate(read) if value} == values


@pytest.mark.parametrize(("bits", "values"), [(1, ONE), (2, TWO), (4, FOUR)])
def test_the_drafts_lists_are_written(bits, values) -> None:
    made = listed(bits, values)
    theirs = decode_base64url(LST[bits], what="lst", refuse=StatusListInvalid)
    assert StatusList.decompress(made.compress(), bits) == StatusList.decompress(theirs, bits)


@pytest.mark.parametrize(("bits", "values"), [(4, FOUR), (8, {at * 4_093: at for at in range(256)})])
def test_wider_lists_stand_in_the_bytes_by_the_drafts_rule(bits, values) -> None:
    """Section 4.1: status i is at bit (i * bits) counted from the lowest bit of the first byte."""
    number = sum(value << index * bits for index, value in values.items())
    made = listed(bits, values)
    assert made.raw == number.to_bytes(SIZE * bits // 8, "little")
    assert StatusList.from_json(made.to_json()) == made


def load_vector(value: dict) -> tuple[StatusList, str]:
    """The list that a vector describes, built from its values, and what stands in its lst."""
    bits = value["bits"]
    if "values" in value:
        return StatusList.from_values(value["values"], bits), value["lst"]
    return listed(bits, {int(index): status for index, status in value["set"].items()}, value["size"]), value["lst"]


@pytest.fixture
def folder(vectors: Path) -> list[Path]:
    found = sorted((vectors / "status-list").glob("*.json"))
    if not found:
        pytest.skip("the --vectors folder has no status-list/*.json")
    return found


def test_every_vector_of_the_folder_in_both_directions(folder, subtests: Callable) -> None:
    for path in folder:
        with subtests.test(path.name):
            made, lst = load_vector(json.loads(path.read_text()))
            read = StatusList.from_json({"bits": made.bits, "lst": lst})
            assert read == made
            again = StatusList.from_json({"bits": made.bits, "lst": encode_base64url(made.compress())})
            assert again == read


@pytest.mark.parametrize(
    "value",
    [
        {"bits": 1, "values": [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1], "lst": "eNrbuRgAAhcBXQ"},
        {"bits": 2, "set": {"0": 1, "3": 3}, "size": 4, "lst": encode_base64url(listed(2, {0: 1, 3: 3}, 4).compress())},
    ],
    ids=["values", "set"],
)
def test_the_loader_reads_both_forms(value) -> None:
    made, lst = load_vector(value)
    assert StatusList.from_json({"bits": value["bits"], "lst": lst}) == made
