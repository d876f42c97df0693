"""Status lists: what is set is what is got, in every width, over every way of transfer."""

import json

from hypothesis import given
from hypothesis import strategies as st

from hallmark_events.canonical import canonical_json
from hallmark_events.status_list import StatusList

WIDTHS = st.sampled_from([1, 2, 4, 8])
VALUES = WIDTHS.flatmap(lambda bits: st.tuples(st.just(bits), st.lists(st.integers(0, 2**bits - 1), max_size=200)))


@given(VALUES)
def test_values_survive_every_transfer(given_values) -> None:
    bits, values = given_values
    made = StatusList.from_values(values, bits)
    assert len(made) % (8 // bits) == 0
    assert list(made)[: len(values)] == values
    assert not any(list(made)[len(values) :])
    assert StatusList.decompress(made.compress(), bits) == made
    assert StatusList.from_json(json.loads(canonical_json(made.to_json()))) == made
    assert StatusList(bits, made.raw) == made


@given(VALUES)
def test_index_0_stands_in_the_lowest_bits(given_values) -> None:
    """The bytes read as one little-endian number hold the status of index i at bit i * bits."""
    bits, values = given_values
    number = sum(value << index * bits for index, value in enumerate(values))
    raw = StatusList.from_values(values, bits).raw
    assert int.from_bytes(raw, "little") == number


@given(VALUES, st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255)), max_size=20))
def test_changes_touch_what_they_name(given_values, changes) -> None:
    bits, values = given_values
    made = StatusList.from_values(values, bits)
    model = list(made)
    for index, value in changes:
        if index < len(model):
            made[index] = value % 2**bits
            model[index] = value % 2**bits
    assert list(made) == model
