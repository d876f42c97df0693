"""Every setting, key by key, out of the Config tree: the one source of docs/settings.md, of `hallmark settings` and of
what the Helm chart takes.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from kms.config import ENVIRONMENT_PREFIX, Config, ConfigError, load_config

_Schema = dict[str, Any]
_PLAIN: Final = {"string": "text", "integer": "integer", "number": "number", "boolean": "true or false"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """`key`: with dots, and `[]` where a section may stand many times (`identity.issuers[].name`). `default`: as TOML
    writes it; None where there is none. `variable`: what sets it in the environment; None where only the file can.
    """

    key: str
    kind: str
    default: str | None
    description: str
    variable: str | None
    is_required: bool

    @property
    def section(self) -> str:
        """Of its table; empty at the top."""
        return self.key.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.key.rpartition(".")[2]


def settings_schema() -> _Schema:
    """JSON Schema (draft 2020-12) of the tree, without the titles that pydantic makes of names."""
    found: _Schema = _without_titles(Config.model_json_schema())
    return found


def all_settings() -> tuple[Setting, ...]:
    """In the order of the tree; a section's own keys come before those of sections in it."""
    schema = settings_schema()
    return tuple(_of_section(schema, schema["$defs"], ""))


def _of_section(section: _Schema, known: Mapping[str, _Schema], prefix: str) -> Iterator[Setting]:
    required = section.get("required", ())
    inner: list[tuple[str, _Schema]] = []
    for name, found in section["properties"].items():
        key = prefix + name
        if "$ref" in found:
            inner.append((f"{key}.", _resolved(found, known)))
        elif "$ref" in found.get("items", {}):
            yield _setting(key, found, known, is_required=name in required)
            inner.append((f"{key}[].", _resolved(found["items"], known)))
        else:
            yield _setting(key, found, known, is_required=name in required)
    for key, found in inner:
        yield from _of_section(found, known, key)


def _setting(key: str, schema: _Schema, known: Mapping[str, _Schema], *, is_required: bool) -> Setting:
    default = schema.get("default")
    return Setting(
        key=key,
        kind=_kind(schema, known),
        default=None if default is None else as_toml(default),
        description=schema.get("description", ""),
        variable=_variable(key, schema),
        is_required=is_required,
    )


def as_toml(value: Any) -> str:
    """JSON's form of texts, numbers, lists and empty tables is TOML's too."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name} = {as_toml(found)}" for name, found in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(as_toml, value)) + "]"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value)


def _kind(schema: _Schema, known: Mapping[str, _Schema]) -> str:
    """What may stand there, in words."""
    if "$ref" in schema:
        return "table"
    if "anyOf" in schema:
        kinds = (_kind(each, known) for each in schema["anyOf"] if each.get("type") != "null")
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return "one of " + ", ".join(schema["enum"])
    match schema["type"]:
        case "array":
            items = schema["items"]
            return "list of tables" if "$ref" in items else f"list of: {_kind(items, known)}"
        case "object":
            values = schema.get("additionalProperties") or next(iter(schema["patternProperties"].values()))
            return f"table of: {_kind(values, known)}"
        case "string" if schema.get("format", "").endswith("network"):
            return "network"
        case plain:
            return _PLAIN[plain] + _bounds(schema)


def _bounds(schema: _Schema) -> str:
    low, high, above = schema.get("minimum"), schema.get("maximum"), schema.get("exclusiveMinimum")
    below = schema.get("exclusiveMaximum")
    parts = []
    if low is not None and high is not None:
        return f", {low:g} to {high:g}" if isinstance(low, float) else f", {low} to {high}"
    parts += [f"at least {low}"] if low is not None else []
    parts += [f"more than {above}"] if above is not None else []
    parts += [f"at most {high}"] if high is not None else []
    parts += [f"less than {below}"] if below is not None else []
    return "".join(f", {part}" for part in parts)


def _variable(key: str, schema: _Schema) -> str | None:
    """A variable holds one text: lists take it where their section says so, tables never do. A list is asked."""
    if "[]" in key or schema.get("type") == "object":
        return None
    name = ENVIRONMENT_PREFIX + key.upper().replace(".", "__")
    if schema.get("type") != "array":
        return name
    try:
        load_config(environment={name: "a"})
    except ConfigError:
        return None
    return name


def _resolved(schema: _Schema, known: Mapping[str, _Schema]) -> _Schema:
    return known[schema["$ref"].removeprefix("#/$defs/")]


def _without_titles(value: Any) -> Any:
    """A property may be called title: it is a table then, and stays."""
    if isinstance(value, dict):
        return {
            name: _without_titles(found)
            for name, found in value.items()
            if not (name == "title" and isinstance(found, str))
        }
    return [_without_titles(each) for each in value] if isinstance(value, list) else value
