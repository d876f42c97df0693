"""Policies as files that people read and write: TOML, or JSON for programs. Every section is a dataclass of
attestation.policy; what is left out has its strict default.

    name = "production phones"

    [android]
    min_os_patch_level = 202601
    status_list_max_age = "P1D"

    [[android.apps]]
    package = "org.example.app"
    signature_digests = ["6a6b..."]

`attestation.policy_values` says how each kind of value is written. A key that is not known is an error.
"""

import json
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from attestation.errors import PolicyError
from attestation.policy import Policy
from attestation.policy_limits import problems_in
from attestation.policy_rego import problems_of
from attestation.policy_values import ANY, MISTAKES_MAX, Mistakes, has_default, hints_of, plain_value, read_table

FILE_BYTES_MAX: Final = 256 * 1024
NAME_CHARACTERS_MAX: Final = 100
_LINE: Final = 118


class PolicyForm(StrEnum):
    """How a policy file is written."""

    TOML = "toml"
    JSON = "json"


def read_policy(data: bytes, form: PolicyForm = PolicyForm.TOML) -> Policy:
    """The policy that a file states. Raises PolicyError with every mistake in it."""
    document = _parse(data, form)
    mistakes = Mistakes()
    policy = read_table(Policy, document, mistakes)
    if mistakes.sentences:
        raise PolicyError(tuple(mistakes.sentences))
    assert isinstance(policy, Policy)
    problems = list(islice(problems_in(policy), MISTAKES_MAX))
    problems += problems_of(policy.rego.module) if policy.rego.module is not None else []
    if not 1 <= len(policy.name) <= NAME_CHARACTERS_MAX or not policy.name.isprintable():
        problems.append(f"name must have 1 to {NAME_CHARACTERS_MAX} printable characters")
    if problems:
        raise PolicyError(tuple(problems))
    return policy


def write_policy(policy: Policy, form: PolicyForm = PolicyForm.TOML, *, explain: bool = False) -> bytes:
    """Every field of the policy; `read_policy` gives an equal one back. explain: TOML says what each section means."""
    if form is PolicyForm.JSON:
        return json.dumps(plain_value(Policy, policy), indent=2, ensure_ascii=False).encode() + b"\n"
    return "\n".join(_table(policy, (), explain=explain)).encode() + b"\n"


def _parse(data: bytes, form: PolicyForm) -> Any:
    if len(data) > FILE_BYTES_MAX:
        raise PolicyError((f"a policy file may have {FILE_BYTES_MAX} bytes",))
    try:
        text = data.decode()
        if form is PolicyForm.TOML:
            return tomllib.loads(text)
        return json.loads(text, object_pairs_hook=_no_duplicates)
    except UnicodeDecodeError:
        raise PolicyError(("the file is not UTF-8 text",)) from None
    except (ValueError, RecursionError) as error:
        raise PolicyError((f"the file is not {form.upper()}: {error}",)) from None


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("an object has the same key twice")
    return found


def _table(value: Any, path: tuple[str, ...], *, explain: bool) -> Iterator[str]:
    """Lines of one table: plain values first, then the tables in it."""
    if explain and path:
        yield from _comment(type(value).__doc__ or "")
    inner: list[tuple[str, Any]] = []
    hints = hints_of(type(value))
    for field in fields(value):
        item = getattr(value, field.name)
        if is_dataclass(item) or (isinstance(item, tuple) and item and is_dataclass(item[0])):
            inner.append((field.name, item))
        elif item is not None:
            yield f"{field.name} = {_toml(plain_value(hints[field.name], item))}"
        elif not has_default(field) or field.default is not None:
            yield f'{field.name} = "{ANY}"'
        elif explain:
            yield f"# {field.name} is not set"
    for name, item in inner:
        here = (*path, name)
        for head, table in [(f"[{'.'.join(here)}]", item)] if is_dataclass(item) else _array(here, item):
            yield ""
            yield head
            yield from _table(table, here, explain=explain)


def _array(path: tuple[str, ...], items: tuple[Any, ...]) -> list[tuple[str, Any]]:
    return [(f"[[{'.'.join(path)}]]", item) for item in items]


def _comment(docstring: str) -> Iterator[str]:
    for paragraph in textwrap.dedent(f"    {docstring}").split("\n\n"):
        yield from (f"# {line}" for line in textwrap.wrap(" ".join(paragraph.split()), _LINE, break_on_hyphens=False))


def _toml(value: Any) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return _toml_text(value)
        case list():
            items = [_toml(item) for item in value]
            line = f"[{', '.join(items)}]"
            return line if len(line) <= _LINE - 40 else "[\n" + "".join(f"    {item},\n" for item in items) + "]"
        case _:
            return str(value)


def _toml_text(value: str) -> str:
    """A literal block for texts of several lines, else a basic string."""
    lines = value.split("\n")
    if (
        len(lines) > 1
        and "'''" not in value
        and not value.endswith("'")
        and all(character.isprintable() or character in "\t\n" for character in value)
    ):
        return f"'''\n{value}'''"
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
