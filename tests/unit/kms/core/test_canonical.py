from enum import StrEnum

from kms.core.canonical import canonical_json


def test_members_of_text_enums_are_text() -> None:
    class Colour(StrEnum):
        RED = "red"

    assert canonical_json({"a": Colour.RED, "b": [Colour.RED]}) == b'{"a":"red","b":["red"]}'
