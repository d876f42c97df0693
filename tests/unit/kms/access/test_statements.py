"""A document taken apart before Cedar reads it; and that nothing which passes can bring the process down."""

import subprocess
import sys

import pytest

from kms.access.statements import NESTING_MAX, STATEMENTS_MAX, TOKENS_MAX, decode, take_apart
from kms.core.errors import InvalidArgument, Reason

AT_THE_LIMITS = {
    "brackets": "(" * (NESTING_MAX - 2) + "true" + ")" * (NESTING_MAX - 2),
    "sets": "[" * (NESTING_MAX - 2) + "1" + "]" * (NESTING_MAX - 2) + " == [1]",
    "or": "true" + " || true" * 310,
    "sum": "1" + "+1" * 480 + " > 3",
    "conditional": "if true then true else " * 190 + "true",
    "attributes": "context" + ".a" * 480 + " == 1",
    "not": "!" * 900 + "true",
    "records": "{a:" * (NESTING_MAX - 2) + "1" + "}" * (NESTING_MAX - 2) + " == 1",
    "both": ("(true || " * (NESTING_MAX - 2)) + "true" + " || true" * 250 + ")" * (NESTING_MAX - 2),
}
READ = """
import sys, threading
from kms.access.reading import read_document
from kms.access.rules import Rules
from kms.app.access import ACTIONS
from kms.access.schema import parsed_schema, schema_text
from kms.core.errors import InvalidArgument
schema = parsed_schema(schema_text(ACTIONS))
def work():
    for line in sys.stdin.buffer.read().split(b"\\n"):
        try:
            Rules.of(1, read_document(line, schema), ACTIONS)
        except InvalidArgument:
            pass
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("alive")
"""


def test_statements_know_their_line() -> None:
    text = '// a comment; with a semicolon\n@id("a") permit(principal, action, resource);\n\n@id("b;")\nforbid(\nx);'
    pieces = take_apart(text)
    assert [piece.line for piece in pieces] == [2, 4]
    assert [piece.text[:8] for piece in pieces] == ['@id("a")', '@id("b;"']
    assert take_apart("// nothing\n \t") == []


def test_a_semicolon_in_a_string_ends_nothing() -> None:
    (piece,) = take_apart(r'permit(principal, action, resource) when { "a\";b" == "x" };')
    assert piece.text.endswith("};")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("permit(a);" * (STATEMENTS_MAX + 1), f"at most {STATEMENTS_MAX} statements"),
        (("y " * 900 + ";") * 23, "at most 20000 words"),
        (f'p like // c\n "*{"a" * 4100}b";' * 2, "star before their end"),
        ("\n" + "(" * (NESTING_MAX + 1), "line 2: brackets"),
        ("\n\n" + "a " * (TOKENS_MAX + 1), "line 3: a statement has at most"),
    ],
)
def test_bounds(text: str, reason: str) -> None:
    with pytest.raises(InvalidArgument, match=reason):
        take_apart(text)


def test_documents_are_short_and_text() -> None:
    with pytest.raises(InvalidArgument) as refused:
        decode(b"a" * (256 * 1024 + 1))
    assert refused.value.reason is Reason.MESSAGE_TOO_LARGE
    with pytest.raises(InvalidArgument, match="UTF-8"):
        decode(b"\xff")


def test_what_passes_can_not_exhaust_the_stack() -> None:
    """In a process of its own: Cedar's parser ends the whole process where its stack ends."""
    documents = [f'@id("x") permit(principal, action, resource) when {{ {body} }};' for body in AT_THE_LIMITS.values()]
    for document in documents:
        take_apart(document)
    ran = subprocess.run(
        [sys.executable, "-c", READ], input="\n".join(documents).encode(), capture_output=True, check=False, timeout=60
    )
    assert (ran.returncode, ran.stdout.decode()) == (0, "alive\n"), ran.stderr.decode()[-500:]


def test_patterns_that_end_with_their_star_cost_little_and_are_not_counted() -> None:
    assert len(take_apart(f'p like "{"a" * 8000}*";' * 3)) == 3
