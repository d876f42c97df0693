"""One registry for one server, handed to whoever measures; and its text for scrapers.

Rule for every label: its values are a small set known beforehand (methods, codes, reasons, kinds, slots of the token,
witnesses of the policy). No caller, key, address or device stands in one.
"""

from prometheus_client import CollectorRegistry, ProcessCollector, disable_created_metrics
from prometheus_client.exposition import generate_latest
from prometheus_client.metrics import Info

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


def make_registry(version: str) -> CollectorRegistry:
    """With process_* (CPU, memory, file handles, start time) and hallmark_build_info in it."""
    disable_created_metrics()  # type: ignore[no-untyped-call]  # each counter's second series, which nobody reads
    registry = CollectorRegistry(auto_describe=True)
    ProcessCollector(registry=registry)
    Info("hallmark_build", "The version that runs.", registry=registry).info({"version": version})
    return registry


def as_text(registry: CollectorRegistry) -> bytes:
    """The Prometheus text format 0.0.4."""
    return generate_latest(registry)
