"""The tools that scripts/fetch_chart_tools.sh got, and what the chart renders. A tool that is not there skips the test."""

import functools
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from peers.tools import Outcome, run

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "hallmark"
VALUES = Path(__file__).resolve().parent / "values"
SETS = sorted(path.stem for path in VALUES.glob("*.yaml"))
NAMESPACE = "kms"
RELEASE = "first"
VERSIONS = ("1.27.0", "1.30.0", "1.33.0", "1.37.0")
"""The oldest that the chart admits, to the newest whose schemas are there."""
_FETCH = "run scripts/fetch_chart_tools.sh"

Manifest = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ChartTools:
    """The folder of the script."""

    folder: Path

    def helm(self, *arguments: str | Path, stdin: bytes = b"") -> Outcome:
        self._require("helm")
        return run(self.folder / "bin" / "helm", *arguments, stdin=stdin)

    def lint(self, values: Path) -> Outcome:
        return self.helm("lint", "--strict", CHART, "--values", values, "--kube-version", VERSIONS[-1])

    def template(self, values: Path, *, version: str = VERSIONS[-1]) -> Outcome:
        arguments = ["template", RELEASE, CHART, "--namespace", NAMESPACE, "--values", values]
        return self.helm(*arguments, "--kube-version", version)

    def check_against_schemas(self, manifests: list[Manifest], version: str) -> str:
        """Each problem on a line; empty when there is none."""
        self._require("schemas")
        script = Path(__file__).with_name("check_manifests.py")
        python = self.folder / "venv" / "bin" / "python"
        return run(python, script, version, stdin=json.dumps(manifests).encode()).must_succeed()

    def _require(self, tool: str) -> None:
        try:
            state, _, text = (self.folder / "tools" / tool).read_text().strip().partition(" ")
        except FileNotFoundError:
            pytest.skip(f"{tool} is not in {self.folder}: {_FETCH}")
        if state != "ok":
            pytest.skip(f"{tool} could not be fetched: {text}")


def find_tools() -> ChartTools:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return ChartTools(Path(os.environ.get("CHART_TOOLS") or cache / "hallmark-chart-tools").resolve())


@functools.cache
def rendered(name: str) -> tuple[Manifest, ...]:
    """What a file of values makes."""
    return manifests_of(find_tools().template(VALUES / f"{name}.yaml").must_succeed())


def manifests_of(text: str) -> tuple[Manifest, ...]:
    return tuple(document for document in yaml.safe_load_all(text) if document)


def of_kind(manifests: tuple[Manifest, ...], *kinds: str) -> list[Manifest]:
    return [each for each in manifests if each["kind"] in kinds]


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def pods_of(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    """The pod template of each thing that runs, by its name."""
    return {name_of(each): each["spec"]["template"] for each in of_kind(manifests, "StatefulSet", "Deployment", "Job")}


def servers_of(manifests: tuple[Manifest, ...]) -> dict[str, Manifest]:
    return {name: pod for name, pod in pods_of(manifests).items() if not name.startswith("Job/")}


def selects(selector: Manifest, pod: Manifest) -> bool:
    """matchLabels, and matchExpressions with In."""
    labels = pod["metadata"]["labels"]
    plain = selector.get("matchLabels", {})
    return all(labels.get(key) == value for key, value in plain.items()) and all(
        each["operator"] == "In" and labels.get(each["key"]) in each["values"]
        for each in selector.get("matchExpressions", ())
    )
