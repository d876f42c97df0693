"""Metrics of calls: told of each by the guard, as one of its observers.

The names grpc_server_* are those of go-grpc-prometheus and its siblings, which most dashboards know; codes are spelled
as in the audit line (INVALID_ARGUMENT).
"""

import time
from collections.abc import Callable, Collection
from typing import Any, Final, Protocol

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
TENANTS_MAX: Final = 1000
_GROUPS: Final = frozenset(
    {"X25519MLKEM768", "SecP256r1MLKEM768", "SecP384r1MLKEM1024", "X25519", "P-256", "P-384", "P-521", "prime256v1"}
)
_VERSIONS: Final = frozenset({"TLSv1.2", "TLSv1.3"})
_OTHER: Final = "other"
_OTHER_METHOD: Final = f"/{_OTHER}/{_OTHER}"


class SeenChannel(Protocol):
    """Of kms.core.call.Channel."""

    @property
    def tls_version(self) -> str: ...

    @property
    def group(self) -> str: ...


class SeenCaller(Protocol):
    """Of kms.core.identity.Caller."""

    @property
    def tenant(self) -> str: ...


class SeenCall(Protocol):
    """Of kms.core.call.Call."""

    @property
    def caller(self) -> SeenCaller: ...


class SeenEntry(Protocol):
    """What is looked at of kms.server.audit.Entry, which lies above."""

    method: str
    started: float

    @property
    def channel(self) -> SeenChannel: ...

    @property
    def call(self) -> SeenCall | None: ...


class CallMetrics:
    """A kms.server.doors.Observer. Children of labels are bound once for each method and code."""

    def __init__(
        self,
        registry: CollectorRegistry,
        methods: Collection[str],
        streams: frozenset[str],
        *,
        tenant_label: bool = False,
    ) -> None:
        """`methods`: paths of all that there are; what strangers make up counts as one more. `streams`: of those whose
        answers or requests are many.
        """
        self._methods = frozenset(methods)
        self._streams = streams
        self._calls_open = self._streams_open = 0
        labels = ("grpc_service", "grpc_method")
        self._handled = Counter(
            "grpc_server_handled_total",
            "Calls that are over, by their gRPC code.",
            (*labels, "grpc_code"),
            registry=registry,
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "How long calls took that are no streams, from the first byte here to the answer.",
            labels,
            buckets=SECONDS,
            registry=registry,
        )
        reasons = "Calls that were refused, by the reason the caller was told."
        self._refused = Counter("hallmark_refusals_total", reasons, ("reason",), registry=registry)
        self._by_group = self._group_counter(registry)
        self._gauge(
            registry, "hallmark_calls_in_flight", "Calls in progress that are no streams.", lambda: self._calls_open
        )
        self._gauge(registry, "hallmark_streams_open", "Streams that are open.", lambda: self._streams_open)
        self._tenants = self._tenant_counter(registry) if tenant_label else None
        self._tenants_seen: set[str] = set()
        self._ends: dict[tuple[str, str], Callable[[float], None]] = {}
        self._groups: dict[tuple[str, str], Callable[[], None]] = {}

    def admitted(self, entry: SeenEntry, auth: object) -> None:  # noqa: ARG002
        if entry.method in self._streams:
            self._streams_open += 1
        else:
            self._calls_open += 1

    def finished(self, entry: SeenEntry, outcome: str, reason: str) -> None:
        method, call = entry.method if entry.method in self._methods else _OTHER_METHOD, entry.call
        if call is not None:
            if method in self._streams:
                self._streams_open -= 1
            else:
                self._calls_open -= 1
        end = self._ends.get((method, outcome)) or self._bind(method, outcome)
        end(time.perf_counter() - entry.started)
        channel = entry.channel
        group = self._groups.get((channel.tls_version, channel.group)) or self._bind_group(channel)
        group()
        if reason:
            self._refused.labels(reason).inc()
        if self._tenants is not None and call is not None:
            self._tenants.labels(self._tenant(call.caller.tenant), outcome).inc()

    def _bind(self, method: str, outcome: str) -> Callable[[float], None]:
        service, _, name = method.lstrip("/").partition("/")
        handled = self._handled.labels(service, name, outcome)
        seconds = None if method in self._streams else self._seconds.labels(service, name)

        def end(took: float) -> None:
            handled.inc()
            if seconds is not None:
                seconds.observe(took)

        self._ends[method, outcome] = end
        return end

    def _bind_group(self, channel: SeenChannel) -> Callable[[], None]:
        version = channel.tls_version if channel.tls_version in _VERSIONS else _OTHER
        child = self._by_group.labels(version, channel.group if channel.group in _GROUPS else _OTHER)
        if len(self._groups) < 100:  # what TLS can negotiate is a handful; memory does not depend on it
            self._groups[channel.tls_version, channel.group] = child.inc
        return child.inc

    def _tenant(self, tenant: str) -> str:
        if tenant not in self._tenants_seen:
            if len(self._tenants_seen) >= TENANTS_MAX:
                return _OTHER
            self._tenants_seen.add(tenant)
        return tenant

    @staticmethod
    def _group_counter(registry: CollectorRegistry) -> Counter:
        text = "Calls by TLS version and negotiated group of their connection; 'other' is what is rare."
        return Counter("hallmark_tls_calls_total", text, ("version", "group"), registry=registry)

    @staticmethod
    def _tenant_counter(registry: CollectorRegistry) -> Any:
        text = "Calls that are over, by tenant (observing.tenant_label)."
        return Counter("hallmark_tenant_calls_total", text, ("tenant", "grpc_code"), registry=registry)

    @staticmethod
    def _gauge(registry: CollectorRegistry, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=registry).set_function(value)
