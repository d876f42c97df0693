"""Any policy can be written and read; any bytes are read or refused with sentences."""

import dataclasses
import json
import tomllib
from datetime import timedelta
from enum import Enum, IntFlag
from itertools import islice
from typing import Any, get_args, get_origin

from hypothesis import given, settings
from hypothesis import strategies as st

from attestation.errors import PolicyError
from attestation.policy import Policy
from attestation.policy_file import PolicyForm, read_policy, write_policy
from attestation.policy_limits import problems_in
from attestation.policy_values import MISTAKES_MAX, Mistakes, hints_of, optional_of, read_table

NUMBERS = st.one_of(st.integers(0, 2**64 - 1), st.integers(0, 300))


def values(kind: Any) -> st.SearchStrategy[Any]:
    """Of an annotated type, by what the annotation says alone."""
    if (inner := optional_of(kind)) is not None:
        return st.none() | values(inner)
    if get_origin(kind) is frozenset:
        return st.frozensets(values(get_args(kind)[0]), max_size=3)
    if get_origin(kind) is tuple:
        items = get_args(kind)
        if items[-1] is Ellipsis:
            return st.lists(values(items[0]), max_size=3).map(tuple)
        return st.tuples(*map(values, items))
    if dataclasses.is_dataclass(kind):
        return tables(kind)
    if issubclass(kind, IntFlag):
        return st.integers(0, 2**32).map(kind)
    if issubclass(kind, Enum):
        return st.sampled_from(list(kind))
    durations = st.timedeltas(timedelta(0), timedelta(days=900_000))
    texts = st.text(st.characters(codec="utf-8"), max_size=20)
    return {bool: st.booleans(), int: NUMBERS, bytes: st.binary(max_size=4), timedelta: durations, str: texts}[kind]


def tables(kind: Any) -> st.SearchStrategy[Any]:
    hints = hints_of(kind)
    return st.builds(kind, **{field.name: values(hints[field.name]) for field in dataclasses.fields(kind)})


NAMES = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S")), min_size=1, max_size=40)
SECTIONS = [field.name for field in dataclasses.fields(Policy) if field.name not in {"name", "rego"}]


@settings(max_examples=150, deadline=None)
@given(data=st.data(), name=NAMES, section=st.sampled_from(SECTIONS), form=st.sampled_from(PolicyForm))
def test_what_is_written_is_read_again(data: st.DataObject, name: str, section: str, form: PolicyForm) -> None:
    policy = dataclasses.replace(Policy(name), **{section: data.draw(values(hints_of(Policy)[section]))})
    written = write_policy(policy, form, explain=True)
    document = tomllib.loads(written.decode()) if form is PolicyForm.TOML else json.loads(written)
    mistakes = Mistakes()
    assert read_table(Policy, document, mistakes) == policy
    assert not mistakes.sentences
    problems = tuple(islice(problems_in(policy), MISTAKES_MAX))
    assert _read(written, form) == (problems or policy), "values that nothing can meet are refused, and only they"


@settings(max_examples=300, deadline=None)
@given(data=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(lambda text: text.encode(errors="replace"))))
def test_any_bytes_are_a_policy_or_a_refusal(data: bytes) -> None:
    for form in PolicyForm:
        found = _read(data, form)
        assert isinstance(found, Policy) or all(found)


def _read(data: bytes, form: PolicyForm) -> Policy | tuple[str, ...]:
    """The policy, or its problems."""
    try:
        return read_policy(data, form)
    except PolicyError as error:
        return error.problems or ("",)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=200, deadline=None)
@given(data=st.data(), section=st.sampled_from(SECTIONS))
def test_any_json_in_any_field_is_read_or_refused(data: st.DataObject, section: str) -> None:
    kind = hints_of(Policy)[section]
    field = data.draw(st.sampled_from([field.name for field in dataclasses.fields(kind)]))
    document = json.dumps({section: {field: data.draw(JSON)}}).encode()
    found = _read(document, PolicyForm.JSON)
    assert isinstance(found, Policy) or all(section in problem or "JSON" in problem for problem in found)
