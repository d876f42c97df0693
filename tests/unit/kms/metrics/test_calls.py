"""What the guard tells of calls, as a scraper reads it."""

import time
from datetime import UTC, datetime

import pytest
from prometheus_client import CollectorRegistry

from kms.core.call import Call, Channel
from kms.core.identity import Caller, Role
from kms.metrics.calls import TENANTS_MAX, CallMetrics
from kms.server.audit import Entry

SIGN = "/hallmark.v1.SigningService/Sign"
WATCH = "/hallmark.v1.EventService/WatchEvents"
METHODS = (SIGN, WATCH)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def entry(method: str = SIGN, *, group: str = "X25519MLKEM768", tenant: str = "acme") -> Entry:
    channel = Channel("ipv4:203.0.113.7:1234", "TLSv1.3", group)
    made = Entry("id", method, channel, NOW, time.perf_counter())
    caller = Caller(f"spiffe://x/tenants/{tenant}/backend/secret-name", tenant, Role.BACKEND, "secret-name")
    made.call = Call("id", method, caller, channel, NOW)
    return made


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


def value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(name, labels)


def test_a_call_is_in_flight_until_it_is_over(registry: CollectorRegistry) -> None:
    metrics, call = CallMetrics(registry, METHODS, frozenset({WATCH})), entry()
    metrics.admitted(call, None)
    assert (value(registry, "hallmark_calls_in_flight"), value(registry, "hallmark_streams_open")) == (1, 0)
    metrics.finished(call, "OK", "")
    assert value(registry, "hallmark_calls_in_flight") == 0
    labels = {"grpc_service": "hallmark.v1.SigningService", "grpc_method": "Sign"}
    assert value(registry, "grpc_server_handled_total", **labels, grpc_code="OK") == 1
    assert value(registry, "grpc_server_handling_seconds_count", **labels) == 1


def test_streams_are_counted_apart_and_not_timed(registry: CollectorRegistry) -> None:
    metrics, call = CallMetrics(registry, METHODS, frozenset({WATCH})), entry(WATCH)
    metrics.admitted(call, None)
    assert (value(registry, "hallmark_calls_in_flight"), value(registry, "hallmark_streams_open")) == (0, 1)
    metrics.finished(call, "CANCELLED", "")
    assert value(registry, "hallmark_streams_open") == 0
    assert "WatchEvents" not in {
        sample.labels.get("grpc_method")
        for family in registry.collect()
        if family.name == "grpc_server_handling_seconds"
        for sample in family.samples
    }


def test_who_was_never_admitted_is_refused_and_not_in_flight(registry: CollectorRegistry) -> None:
    metrics, call = CallMetrics(registry, METHODS, frozenset()), entry()
    call.call = None
    metrics.finished(call, "UNAUTHENTICATED", "CERTIFICATE_UNKNOWN")
    assert value(registry, "hallmark_calls_in_flight") == 0
    assert value(registry, "hallmark_refusals_total", reason="CERTIFICATE_UNKNOWN") == 1


def test_groups_nobody_knows_are_one(registry: CollectorRegistry) -> None:
    metrics = CallMetrics(registry, METHODS, frozenset())
    for number in range(500):
        metrics.finished(entry(group=f"made-up-{number}"), "OK", "")
    metrics.finished(entry(), "OK", "")
    assert value(registry, "hallmark_tls_calls_total", version="TLSv1.3", group="other") == 500
    assert value(registry, "hallmark_tls_calls_total", version="TLSv1.3", group="X25519MLKEM768") == 1


def test_methods_that_strangers_make_up_are_one(registry: CollectorRegistry) -> None:
    metrics = CallMetrics(registry, METHODS, frozenset({WATCH}))
    for number in range(500):
        made_up = entry(f"/hallmark.v1.KeyService/Drop{number}")
        metrics.admitted(made_up, None)
        metrics.finished(made_up, "UNIMPLEMENTED", "RPC_UNKNOWN")
    labels = {"grpc_service": "other", "grpc_method": "other"}
    assert value(registry, "grpc_server_handled_total", **labels, grpc_code="UNIMPLEMENTED") == 500
    assert value(registry, "hallmark_calls_in_flight") == 0


def test_tenants_only_where_asked_for_and_not_without_end(registry: CollectorRegistry) -> None:
    metrics = CallMetrics(registry, METHODS, frozenset(), tenant_label=True)
    for number in range(TENANTS_MAX + 5):
        metrics.finished(entry(tenant=f"t{number}"), "OK", "")
    assert value(registry, "hallmark_tenant_calls_total", tenant="t0", grpc_code="OK") == 1
    assert value(registry, "hallmark_tenant_calls_total", tenant="other", grpc_code="OK") == 5


def test_no_label_tells_who_called_from_where(registry: CollectorRegistry) -> None:
    metrics = CallMetrics(registry, METHODS, frozenset())
    metrics.admitted(entry(), None)
    metrics.finished(entry(), "PERMISSION_DENIED", "ACCESS_DENIED")
    told = str([family.samples for family in registry.collect()])
    assert "Sign" in told
    assert not [secret for secret in ("secret-name", "203.0.113.7", "acme", "spiffe") if secret in told]
