import copy
import pickle

import pytest

from hsm.secret import Secret

VALUE = b"correct horse battery staple"


def test_it_opens_only_by_name() -> None:
    assert Secret(VALUE).reveal() == VALUE
    assert len(Secret(VALUE)) == len(VALUE)


@pytest.mark.parametrize("show", [repr, str, "{}".format, lambda secret: f"{[secret]}"])
def test_it_does_not_show(show) -> None:
    assert "horse" not in show(Secret(VALUE))


@pytest.mark.parametrize("serialise", [pickle.dumps, copy.copy, copy.deepcopy, vars, hash])
def test_it_is_not_serialised_copied_or_hashed(serialise) -> None:
    with pytest.raises(TypeError):
        serialise(Secret(VALUE))


def test_equality_is_by_value_and_kind() -> None:
    assert Secret(VALUE) == Secret(bytearray(VALUE))
    assert Secret(VALUE) != Secret(VALUE + b".")
    assert Secret(VALUE) != VALUE
