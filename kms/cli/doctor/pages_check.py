"""The server's own pages, where they can be reached: health of its parts, metrics, its clock."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from prometheus_client.parser import text_string_to_metric_families

from kms.cli.doctor.finding import Finding, ok, problem, warning
from kms.cli.doctor.http_get import PageAway, get

_OPEN: Final = "observing.address and observing.port say where the pages are; --pages names them here"
_RUNBOOK: Final = "docs/observability.md, runbook of"


@dataclass(frozen=True, slots=True)
class _Rule:
    """A metric of one moment that should be looked at. `bad`: above this."""

    metric: str
    bad: float
    says: str
    runbook: str


_RULES: Final = (
    _Rule("hallmark_hsm_circuit_open", 0, "calls to the HSM are refused for the moment", "HallmarkHsmDown"),
    _Rule("hallmark_log_pending_entries", 5000, "log entries wait for their place: {value:.0f}", "HallmarkLogBehind"),
    _Rule("hallmark_events_held", 1000, "events wait for their proof: {value:.0f}", "HallmarkEventsHeld"),
    _Rule("hallmark_removals_overdue", 0, "removals are overdue: {value:.0f}", "HallmarkRemovalsOverdue"),
    _Rule("hallmark_leases_due", 10_000, "leases wait to be renewed: {value:.0f}", "HallmarkLeasesLate"),
    _Rule("hallmark_metrics_unread", 0, "a group of metrics can not be read", "HallmarkMetricsUnread"),
)


def check_pages(url: str) -> tuple[datetime | None, Sequence[Finding]]:
    """The server's time, where it tells it."""
    try:
        page = get(f"{url}/healthz")
        document = json.loads(page.body)
        server_time = datetime.fromisoformat(document["time"])
        parts = {name: str(part["problem"]) for name, part in document["parts"].items()}
    except (PageAway, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        says = str(error) if isinstance(error, PageAway) else "what answers there is no Hallmark server"
        return None, [warning("pages", f"the health pages at {url} can not be read: {says}", _OPEN)]
    return server_time, [*_of_health(url, document, parts), *_of_metrics(url)]


def _of_health(url: str, document: dict[str, Any], parts: dict[str, str]) -> Iterator[Finding]:
    broken = {name: trouble for name, trouble in parts.items() if trouble}
    if document.get("status") == "ok":
        yield ok("pages", f"{url}/healthz: everything works ({', '.join(parts)})")
        return
    says = "; ".join(f"{name}: {trouble}" for name, trouble in broken.items()) or str(document.get("problem", ""))
    if document.get("status") == "degraded":
        yield warning("pages", f"{url}/healthz: ready, but {says}", "mend that part; see the findings of health")
    else:
        yield problem("pages", f"{url}/healthz: not ready: {says}", "see the findings of health, and the server's log")


def _of_metrics(url: str) -> Iterator[Finding]:
    try:
        page = get(f"{url}/metrics")
        families = list(text_string_to_metric_families(page.body.decode()))
    except (PageAway, ValueError) as error:
        yield warning("metrics", f"{url}/metrics can not be read: {error}", _OPEN)
        return
    worst: dict[str, float] = {}
    for family in families:
        for sample in family.samples:
            if not math.isnan(sample.value):
                worst[sample.name] = max(sample.value, worst.get(sample.name, -math.inf))
    found = [
        warning("metrics", rule.says.format(value=worst[rule.metric]), f"{_RUNBOOK} {rule.runbook}")
        for rule in _RULES
        if worst.get(rule.metric, -math.inf) > rule.bad
    ]
    yield from found or [ok("metrics", f"{len(families)} metrics; none of those looked at is alarming")]
