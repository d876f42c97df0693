"""Spans of calls, sent to a real OTLP receiver on loopback."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

pytest.importorskip("opentelemetry.sdk", reason="the extra otel is not installed")

from kms.config_observing import ObservingConfig
from kms.core.call import Call, Channel
from kms.core.identity import Caller, Role
from kms.core.steps import step
from kms.server.audit import Entry
from kms.server.tracing import Tracing
from support.otlp_receiver import OtlpReceiver, attributes, otlp_receiver

NOW = datetime(2026, 11, 22, tzinfo=UTC)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
METHOD = "/hallmark.v1.SigningService/Sign"
NAME = METHOD[1:]


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with otlp_receiver() as running:
        yield running


def start(endpoint: str, *, ratio: float = 1.0) -> Tracing:
    settings = ObservingConfig(otlp_endpoint=endpoint, trace_ratio=ratio)
    return Tracing.start(settings, version="9", authority=None)


def entry(parent: str = "") -> Entry:
    channel = Channel("ipv4:203.0.113.7:1", "TLSv1.3", "X25519MLKEM768")
    made = Entry("call-1", METHOD, channel, NOW, time.perf_counter(), traceparent=parent)
    made.call = Call("call-1", METHOD, Caller("spiffe://x/secret", "acme", Role.BACKEND, "secret"), channel, NOW)
    return made


async def one_call(tracing: Tracing, made: Entry, outcome: str = "OK", reason: str = "") -> None:
    """In a task of its own, as the guard does."""

    async def call() -> None:
        tracing.calls.admitted(made, None)
        with step("hsm sign"):
            await asyncio.sleep(0)
        tracing.calls.finished(made, outcome, reason)

    await asyncio.create_task(call())


async def test_a_call_continues_its_callers_trace(receiver: OtlpReceiver) -> None:
    tracing, made = start(receiver.endpoint, ratio=0), entry(f"00-{TRACE}-00f067aa0ba902b7-01")
    await one_call(tracing, made)
    tracing.close()
    span = receiver.wait_for(NAME)
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (TRACE, "00f067aa0ba902b7")
    assert made.trace_id == TRACE
    found = attributes(span)
    assert found["rpc.system.name"] == "grpc"
    assert (found["rpc.method"], found["rpc.response.status_code"]) == (NAME, "OK")
    assert found["hallmark.call_id"] == "call-1"
    assert receiver.children(span) == {"hsm sign"}
    assert receiver.resources[0]["service.name"] == "hallmark"
    assert "secret" not in str(receiver.spans)
    assert "203.0.113.7" not in str(receiver.spans)


async def test_a_refusal_is_the_callers_mistake_a_failure_ours(receiver: OtlpReceiver) -> None:
    tracing = start(receiver.endpoint)
    await one_call(tracing, entry(), "PERMISSION_DENIED", "ACCESS_DENIED")
    await one_call(tracing, entry(), "INTERNAL", "INTERNAL")
    tracing.close()
    codes = {attributes(span)["error.type"]: span.status.code for span in receiver.spans if span.name == NAME}
    assert codes == {"PERMISSION_DENIED": 0, "INTERNAL": 2}


@pytest.mark.parametrize(
    "parent", ["", f"00-{TRACE}-00f067aa0ba902b7-00", "garbage", "00-" + "0" * 32 + "-" + "0" * 16 + "-01"]
)
async def test_who_is_not_sampled_costs_no_span(receiver: OtlpReceiver, parent: str) -> None:
    tracing = start(receiver.endpoint, ratio=0)
    await one_call(tracing, entry(parent))
    tracing.close()
    assert not receiver.spans


async def test_calls_at_once_do_not_mix(receiver: OtlpReceiver) -> None:
    tracing = start(receiver.endpoint)
    await asyncio.gather(*(one_call(tracing, entry()) for _ in range(20)))
    tracing.close()
    calls = [span for span in receiver.spans if span.name == NAME]
    assert len({span.trace_id for span in calls}) == 20
    assert all(receiver.children(span) == {"hsm sign"} for span in calls)


async def test_a_step_that_fails_fails_for_the_call_too(receiver: OtlpReceiver) -> None:
    tracing, made = start(receiver.endpoint), entry()

    async def call() -> None:
        tracing.calls.admitted(made, None)
        with pytest.raises(OSError, match="gone"), step("database write"):
            raise OSError("gone")
        tracing.calls.finished(made, "UNAVAILABLE", "DATABASE_UNAVAILABLE")

    await asyncio.create_task(call())
    tracing.close()
    span = receiver.wait_for("database write")
    assert (span.status.code, attributes(span)["error.type"]) == (2, "OSError")


def test_without_a_trace_a_step_is_nothing() -> None:
    with step("hsm sign"):
        pass


@pytest.mark.parametrize("endpoint", ["127.0.0.1:4317", "ftp://x", "http://"])
def test_what_is_no_receiver_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="otlp_endpoint"):
        start(endpoint)
