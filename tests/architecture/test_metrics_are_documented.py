"""Every metric is described to operators, no label is without bounds, and dashboard and alerts ask for what there is."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client import CollectorRegistry

from hsm.testing import FakeKeyProvider
from kms.app.metrics import Observing
from kms.config import load_config
from kms.core.clock import SystemClock
from kms.keys.hsm_health import HsmHealthCheck
from kms.metrics.parts import CertificateMetrics, FeedMetrics, WitnessMetrics
from kms.metrics.stored import StoredMetrics

ROOT = Path(__file__).resolve().parents[2]
DOCUMENT = (ROOT / "docs" / "observability.md").read_text()
BOUNDED = {
    "grpc_service", "grpc_method", "grpc_code", "reason", "version", "group", "algorithm", "code", "token", "slot",
    "name", "kind", "which", "tenant",
}  # fmt: skip
"""`tenant`: with observing.tenant_label only. `name`: of a witness of the policy."""
_WORDS = re.compile(r"\b(?:hallmark|grpc_server|process)_[a-z0-9_]+\b")
_SUFFIXES = ("_bucket", "_count", "_sum")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> CollectorRegistry:
    """Everything that a server with all of it would have."""
    overrides = {"home": tmp_path_factory.mktemp("home"), "observing.tenant_label": True}
    observing = Observing(load_config(environment={}, overrides=overrides), SystemClock(), asyncio.Event())
    provider = FakeKeyProvider()
    observing.watch_hsm(HsmHealthCheck(provider, SystemClock()), provider)
    for part in (StoredMetrics, WitnessMetrics, FeedMetrics, CertificateMetrics):
        part(observing.registry)
    return observing.registry


def names(registry: CollectorRegistry) -> set[str]:
    """As they are scraped: counters with _total, histograms and infos by their families."""
    endings = {"counter": "_total", "info": "_info"}
    return {family.name + endings.get(family.type, "") for family in registry.collect()}


def documented() -> dict[str, set[str]]:
    rows = re.findall(r"^\| `([a-z0-9_]+)` \| ([^|]*)\|", DOCUMENT, re.MULTILINE)
    return {name: {label.strip() for label in labels.split(",") if label.strip()} for name, labels in rows}


def test_every_metric_is_described_and_none_that_is_not_there(registry: CollectorRegistry) -> None:
    own = {name for name in names(registry) if not name.startswith("process_")}
    assert own == {name for name in documented() if name.startswith(("hallmark_", "grpc_"))}


def test_labels_are_those_described_and_bounded(registry: CollectorRegistry) -> None:
    for collector in set(registry._collector_to_names):
        labels = set(getattr(collector, "_labelnames", ()))
        assert labels <= BOUNDED, collector
        for family in collector.collect() if labels else ():
            name = family.name + {"counter": "_total"}.get(family.type, "")
            assert documented()[name] == labels, name


def expressions() -> Iterator[tuple[str, str]]:
    dashboard = json.loads((ROOT / "ops" / "grafana" / "hallmark.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule["alert"], rule["expr"]


def rules() -> list[dict[str, Any]]:
    document = yaml.safe_load((ROOT / "ops" / "prometheus" / "alerts.yaml").read_text())
    return [rule for group in document["groups"] for rule in group["rules"]]


def test_dashboard_and_alerts_ask_for_metrics_that_there_are(registry: CollectorRegistry) -> None:
    known = names(registry) | {"process_open_fds", "process_max_fds"}
    for title, expression in expressions():
        asked = set(_WORDS.findall(expression)) | ({"up"} if expression.startswith("up{") else set())
        assert asked, title
        for name in asked - {"up"}:
            family = next((name.removesuffix(end) for end in _SUFFIXES if name.endswith(end)), name)
            assert family in known, f"{title}: {name}"
        assert expression.count("(") == expression.count(")"), title
        assert expression.count("{") == expression.count("}"), title


def test_every_histogram_is_asked_by_its_buckets(registry: CollectorRegistry) -> None:
    histograms = {family.name for family in registry.collect() if family.type == "histogram"}
    for title, expression in expressions():
        for name in _WORDS.findall(expression):
            assert name not in histograms, f"{title}: {name} has buckets, no value"


def test_each_metric_of_ours_is_in_the_dashboard_or_an_alert(registry: CollectorRegistry) -> None:
    asked = " ".join(expression for _, expression in expressions())
    unseen = {name for name in names(registry) if not name.startswith("process_") and name not in asked}
    assert unseen == {"hallmark_tenant_calls_total"}, "off by default"


def test_alerts_are_whole_and_have_runbooks() -> None:
    anchors = {heading.lower() for heading in re.findall(r"^### (\w+)$", DOCUMENT, re.MULTILINE)}
    found = rules()
    assert {rule["alert"].lower() for rule in found} == anchors
    for rule in found:
        assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in {"warning", "critical"}
        assert re.fullmatch(r"\d+[smh]", rule["for"])
        assert rule["annotations"]["runbook"] == f"docs/observability.md#{rule['alert'].lower()}"


def test_panels_have_a_place_of_their_own() -> None:
    panels = json.loads((ROOT / "ops" / "grafana" / "hallmark.json").read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for panel in panels
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells))
