"""Policies are read strictly: every mistake is told, with its line."""

import time

import pytest

from kms.access.reading import parse_document, read_document
from kms.access.schema import parsed_schema, schema_text
from kms.app.access import ACTIONS
from kms.core.errors import InvalidArgument, Reason

SCHEMA = parsed_schema(schema_text(ACTIONS))


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("", "needs a statement"),
        ("permit(principal, action, resource);", "line 1: every statement needs a name"),
        ('@id("") permit(principal, action, resource);', "line 1: every statement needs a name"),
        ('@id("a b") permit(principal, action, resource);', "line 1: an @id has"),
        ('@id("tenants/a/grants/x") permit(principal, action, resource);', "line 1: an @id has"),
        ('\n@id("x") permit(principal, action, resource)', "line 2: unexpected end"),
        ('@id("x")\npermit(principal, action, resource) whn { true };', "line 1: invalid policy condition: whn"),
        ('@id("x") permit(principal == ?principal, action, resource);', "line 1: templates"),
        (
            '@id("x") permit(principal, action, resource);\n@id("x") forbid(principal, action, resource);',
            r'line 2: @id\("x"\) stands in line 1 already',
        ),
        (
            '// first\n@id("x") permit(principal, action, resource) when { context.postquantum };',
            "line 2: x: attribute `postquantum` not found",
        ),
        ('@id("x") permit(principal, action == Action::"SigningService.Sing", resource);', "SigningService.Sing"),
        ('@id("x") permit(principal is User, action, resource);', "User"),
        ('@id("x") permit(principal, action, resource) when { principal.role == 3 };', "line 1: x:"),
        ('@id("x") permit(principal, action, resource) when { resource.getTag("a") == "b" };', "getTag|tag"),
        (
            '@id("x") permit(principal, action, resource) when { context.address.isInRange(ip("10.0.0.0/99")) };',
            "ip|IP",
        ),
        ('@id("x") permit(principal, action, resource) when { ' + "true || " * 150 + "true };", "100 levels"),
    ],
)
def test_mistakes(document: str, told: str) -> None:
    with pytest.raises(InvalidArgument, match=told) as refused:
        read_document(document.encode(), SCHEMA)
    assert (refused.value.reason, refused.value.field) == (Reason.POLICY_INVALID, "document")


def test_every_mistake_is_told_at_once_and_each_once() -> None:
    document = "\n".join(
        f'@id("s{number}") permit(principal, action, resource) when {{ context.nothing{number} }};'
        for number in range(30)
    )
    with pytest.raises(InvalidArgument) as refused:
        read_document(document.encode(), SCHEMA)
    assert "line 1: s0: " in refused.value.message
    assert "line 20: s19: " in refused.value.message
    assert refused.value.message.endswith("; and more")
    assert refused.value.message.count("nothing3`") == 1


def test_a_document_that_fits() -> None:
    document = (
        '@id("a") permit(principal, action in [Action::"read", Action::"SigningService"], resource)\n'
        'when { resource.hasTag("team") && resource.getTag("team") == "blue" && context.verdict.age_seconds < 60 };\n'
        '@id("b") forbid(principal, action, resource) unless { context.time < datetime("2030-01-01") };'
    )
    statements = read_document(document.encode(), SCHEMA)
    assert [(each.id, each.line) for each in statements] == [("a", 1), ("b", 3)]
    assert parse_document(document.encode()) == statements


def test_a_document_of_nothing_but_mistakes_does_not_take_minutes() -> None:
    wrong = " || ".join(['principal.rol == "a"'] * 30)
    document = "".join(
        f'@id("s{number}") permit(principal, action, resource) when {{ {wrong} }};' for number in range(60)
    )
    began = time.perf_counter()
    with pytest.raises(InvalidArgument, match="s0"):
        read_document(document.encode(), SCHEMA)
    assert time.perf_counter() - began < 20, "all of it takes a minute and more"
