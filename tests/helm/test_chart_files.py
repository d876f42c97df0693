"""What can be said of the chart without helm: its schema is current and strict, its versions are the project's."""

import json
import re
import tomllib
from typing import Any

import jsonschema
import pytest
import yaml

from helm.test_values import MANY, WRONG_SHAPES
from helm.tools import CHART, ROOT, SETS, VALUES

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
CHECK = jsonschema.Draft202012Validator(SCHEMA)
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def objects_of(schema: Any, path: str = "") -> list[tuple[str, dict[str, Any]]]:
    """Every schema that lists properties, and where it is."""
    found = [(path, schema)] if isinstance(schema, dict) and isinstance(schema.get("properties"), dict) else []
    pairs = schema.items() if isinstance(schema, dict) else enumerate(schema) if isinstance(schema, list) else ()
    return found + [each for name, value in pairs for each in objects_of(value, f"{path}/{name}")]


def test_the_chart_has_the_versions_of_the_project() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["version"] == chart["appVersion"] == PROJECT["version"]


def test_the_schema_is_one_and_lets_no_unknown_key_in() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    open_ones = [
        path
        for path, each in objects_of(SCHEMA)
        if each.get("type") == "object" and each.get("additionalProperties") is not False
    ]
    assert not open_ones


def test_every_value_is_in_the_schema_and_every_value_of_the_schema_has_its_line() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    CHECK.validate(values)

    def missing(schema: dict[str, Any], found: dict[str, Any], path: str) -> list[str]:
        names: list[str] = []
        for name, each in schema["properties"].items():
            resolved = SCHEMA["$defs"][each["$ref"].rpartition("/")[2]] if "$ref" in each else each
            if name not in found:
                names.append(path + name)
            elif "properties" in resolved and name not in {"settings", "resources"}:
                names += missing(resolved, found[name], f"{path}{name}.")
        return names

    assert missing(SCHEMA, values, "") == ["global"], "which is helm's"


@pytest.mark.parametrize("name", SETS)
def test_the_files_of_values_fit(name: str) -> None:
    CHECK.validate(yaml.safe_load((VALUES / f"{name}.yaml").read_text()))


def test_what_is_right_fits() -> None:
    CHECK.validate(MANY)


@pytest.mark.parametrize("values", WRONG_SHAPES, ids=str)
def test_what_is_wrong_does_not(values: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        CHECK.validate(values)


def test_each_value_that_templates_read_is_in_the_file_of_values() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    templates = "\n".join(path.read_text() for path in (CHART / "templates").iterdir())
    read = set(re.findall(r"\.Values\.([A-Za-z.]+)", templates))
    assert read
    for path in read:
        at: Any = values
        for part in path.split("."):
            assert part in at, path
            at = at[part]


def test_both_build_tools_see_the_same_files() -> None:
    """Podman reads the one, docker the other."""
    assert (ROOT / ".containerignore").read_text() == (ROOT / ".dockerignore").read_text()


@pytest.mark.parametrize("name", ["docs/kubernetes.md", "helm/hallmark/README.md"])
def test_the_values_of_the_documents_are_values(name: str) -> None:
    """Whole files of values, and paths in the text."""
    text = (ROOT / name).read_text()
    for block in re.findall(r"```yaml\n(image:.*?)```", text, re.DOTALL):
        document = yaml.safe_load(block)
        document["image"]["digest"] = ""  # is shown shortened
        CHECK.validate(document)
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    for path in re.findall(r"(?:--set '?|`)((?:" + "|".join(values) + r")\.[A-Za-z_.]+)", text):
        at: Any = SCHEMA
        for part in path.split("."):
            at = SCHEMA["$defs"][at["$ref"].rpartition("/")[2]] if "$ref" in at else at
            assert part in at["properties"], path
            at = at["properties"][part]


def test_the_containerfile_runs_as_the_chart_does() -> None:
    text = (ROOT / "Containerfile").read_text()
    pods = (CHART / "templates" / "_pods.tpl").read_text()
    (user,) = re.findall(r"runAsUser: (\d+)", pods)
    assert f"USER {user}:{user}" in text
    assert 'ENTRYPOINT ["hallmark"]' in text
