"""Reads a policy document: every statement by itself, so that a mistake has a line, then all against the schema."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cedarpy
from cedarpy import pst

from kms.access.statements import Piece, decode, mistake, take_apart
from kms.core.errors import InvalidArgument, Reason

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_MISTAKES_TOLD: Final = 20
_MISTAKES_FOUND: Final = 4000


@dataclass(frozen=True, slots=True)
class Statement:
    """`id` is its @id. `text` as it was written, with its semicolon."""

    id: str
    line: int
    text: str


def read_document(document: bytes, schema: cedarpy.Schema) -> tuple[Statement, ...]:
    """Raises InvalidArgument: POLICY_INVALID with the line and the reason of every mistake (the first of very many),
    MESSAGE_TOO_LARGE. Takes some seconds for the largest documents: call it in a thread.
    """
    statements = parse_document(document)
    problems = _check_types(statements, schema)
    if problems:
        raise _mistakes(problems)
    return statements


def parse_document(document: bytes) -> tuple[Statement, ...]:
    """Without the schema: of a document that was checked when it was set, maybe by an earlier release."""
    pieces = take_apart(decode(document))
    if not pieces:
        raise mistake("a policy needs a statement; without any it would deny everything to everybody")
    statements, problems, seen = list[Statement](), list[str](), dict[str, int]()
    for piece in pieces:
        try:
            statement = _read(piece)
            if statement.id in seen:
                raise mistake(f'@id("{statement.id}") stands in line {seen[statement.id]} already', line=piece.line)
        except InvalidArgument as error:
            problems.append(error.message)
        else:
            seen[statement.id] = piece.line
            statements.append(statement)
    if problems:
        raise _mistakes(problems)
    return tuple(statements)


def parse_one(text: str, line: int) -> pst.Template:
    """The one statement, not a template, that the text is. Raises InvalidArgument/POLICY_INVALID."""
    try:
        nodes = cedarpy.PolicySet.from_str(text).to_pst()
    except ValueError as error:
        raise mistake(str(error).partition("\n")[0], line=line) from None
    if nodes.templates:
        raise mistake("templates (?principal, ?resource) can not be used: nothing would fill them in", line=line)
    if len(nodes.static_policies) != 1:
        raise mistake("a statement was expected", line=line)
    (found,) = nodes.static_policies.values()
    return found


def validation_problems(text: str, schema: cedarpy.Schema) -> tuple[list[str], int]:
    """What strict validation says of one statement that parses, and how often in all: it looks once for each action
    that the statement could be about. Everybody else runs on meanwhile.
    """
    errors = cedarpy.validate_policies(text, schema, release_gil=True).errors
    return list(dict.fromkeys(map(_told, errors))), len(errors)


def _read(piece: Piece) -> Statement:
    found = parse_one(piece.text, piece.line).annotations.get("id")
    if not found:
        raise mistake(
            'every statement needs a name of its own before it, such as @id("backend-signs")', line=piece.line
        )
    if not _ID.fullmatch(found):
        raise mistake(
            "an @id has 1 to 100 letters, digits, dots, hyphens or underscores, and begins with a letter or a digit",
            line=piece.line,
        )
    return Statement(found, piece.line, piece.text)


def _check_types(statements: Sequence[Statement], schema: cedarpy.Schema) -> list[str]:
    """One by one, and not for ever: a document of nothing but mistakes would take minutes."""
    told, found = list[str](), 0
    for statement in statements:
        problems, count = validation_problems(statement.text, schema)
        told += [f"line {statement.line}: {statement.id}: {problem}" for problem in problems]
        found += count
        if len(told) > _MISTAKES_TOLD or found > _MISTAKES_FOUND:
            break
    return told


def _told(error: cedarpy.ValidationError) -> str:
    text = error.error.partition("\n")[0].removeprefix("for policy `policy0`, ")
    return re.sub(r' (?:in context )?for Action::"[^"]*"', "", text)


def _mistakes(problems: Sequence[str]) -> InvalidArgument:
    more = "; and more" if len(problems) > _MISTAKES_TOLD else ""
    return InvalidArgument(Reason.POLICY_INVALID, "; ".join(problems[:_MISTAKES_TOLD]) + more, field="document")
