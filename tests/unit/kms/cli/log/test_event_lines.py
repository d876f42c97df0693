import json
import uuid

import pytest

from kms.cli.failure import CommandError
from kms.cli.log.event_lines import LINE_BYTES_MAX, Line, read_facts, read_lines, request_id_of

RUN = uuid.UUID("019f0000-0000-7abc-8def-012345678900")
GOOD = {"type": "com.example.x.y", "subject": "models/x"}


def read(*documents: object, done: frozenset[int] = frozenset()) -> list[Line]:
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() + b"\n" for one in documents]
    return list(read_lines(lines, RUN, done, "events.jsonl"))


def test_a_line_is_an_event() -> None:
    own = str(uuid.uuid4())
    first, second = read(
        GOOD, {**GOOD, "details": {"a": "b"}, "personal": {"who": "Ada"}, "person": "p", "request_id": own}
    )
    assert (first.event_type, first.subject, first.details, first.personal, first.person) == (
        "com.example.x.y",
        "models/x",
        {},
        {},
        "",
    )
    assert (second.details, second.personal, second.person, second.request_id) == (
        {"a": "b"},
        {"who": "Ada"},
        "p",
        own,
    )


def test_lines_keep_their_numbers_and_request_ids_whatever_is_done() -> None:
    every = read(GOOD, b"\n", GOOD, GOOD)
    assert [line.number for line in every] == [1, 3, 4]
    rest = read(GOOD, b"\n", GOOD, GOOD, done=frozenset({1, 3}))
    assert rest == every[2:]
    assert len({line.request_id for line in every}) == 3
    for line in every:
        assert uuid.UUID(line.request_id).version == 7
    assert request_id_of(RUN, 1) < request_id_of(RUN, 2)


@pytest.mark.parametrize(
    "wrong",
    [
        b"{",
        b"[]",
        b"\xff",
        b'"x"',
        b"[" * 100_000,
        {},
        {"type": "a.b.c"},
        {**GOOD, "subject": 1},
        {**GOOD, "details": []},
        {**GOOD, "details": {"a": 1}},
        {**GOOD, "personal": {"a": None}},
        {**GOOD, "kind": "x"},
        b" " * LINE_BYTES_MAX + b"{}",
    ],
    ids=lambda value: str(value)[-30:],
)
def test_what_is_no_event_says_which_line(wrong) -> None:
    with pytest.raises(CommandError, match=r"events\.jsonl, line 2,"):
        read(GOOD, wrong)


def test_facts_are_texts() -> None:
    assert read_facts(b'{"who": "Ada"}', "facts.json") == {"who": "Ada"}
    for wrong in (b"", b"[]", b'{"a": 1}'):
        with pytest.raises(CommandError, match=r"facts\.json"):
            read_facts(wrong, "facts.json")
