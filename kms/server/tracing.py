"""Traces over OTLP: a span for each call that is sampled, and spans of what it waited for (kms.core.steps).

Imported only where observing.otlp_endpoint is set. Names are those of the semantic conventions for RPC:
rpc.system.name, rpc.method, rpc.response.status_code, error.type. A span holds the call's id, method, outcome, tenant
and TLS group; no caller's name, no resource, nothing of a request or an answer.

Source: W3C Trace Context (traceparent); OpenTelemetry specification, Trace SDK and OTLP.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Final, Protocol, Self
from urllib.parse import urlsplit

import grpc
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased, TraceIdRatioBased
from opentelemetry.trace import Span, SpanKind, StatusCode, Tracer, format_trace_id, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from kms.config_observing import ObservingConfig
from kms.core.call import Call, Channel
from kms.core.steps import note_steps

_logger = logging.getLogger(__name__)
_EXPORT_SECONDS: Final = 3
_CLOSE_MILLISECONDS: Final = 3000
_OURS: Final = frozenset({"UNKNOWN", "INTERNAL", "UNAVAILABLE", "DEADLINE_EXCEEDED", "DATA_LOSS", "UNIMPLEMENTED"})
"""Codes that make a server's span an error; the others are mistakes of the caller (semantic conventions for gRPC)."""
_span: Final[ContextVar[Span | None]] = ContextVar("hallmark_span", default=None)
_propagator: Final = TraceContextTextMapPropagator()


class TracedEntry(Protocol):
    """Of kms.server.audit.Entry."""

    id: str
    method: str
    channel: Channel
    call: Call | None
    traceparent: str
    trace_id: str


class CallTraces:
    """A kms.server.doors.Observer. `finished` is told in the task that `admitted` was told in."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def admitted(self, entry: TracedEntry, auth: object) -> None:  # noqa: ARG002
        parent = _propagator.extract({"traceparent": entry.traceparent}, Context()) if entry.traceparent else Context()
        span = self._tracer.start_span(entry.method.lstrip("/"), context=parent, kind=SpanKind.SERVER)
        entry.trace_id = format_trace_id(span.get_span_context().trace_id)
        if not span.is_recording():
            return
        assert entry.call is not None, "admitted: the caller is known"
        span.set_attributes(
            {
                "rpc.system.name": "grpc",
                "rpc.method": entry.method.lstrip("/"),
                "hallmark.call_id": entry.id,
                "hallmark.tenant": entry.call.caller.tenant,
                "tls.protocol.version": entry.channel.tls_version,
                "tls.curve": entry.channel.group,
            }
        )
        _span.set(span)
        note_steps(partial(self._step, set_span_in_context(span, Context())))

    def finished(self, entry: TracedEntry, outcome: str, reason: str) -> None:  # noqa: ARG002
        span = _span.get()
        if span is None:
            return
        _span.set(None)
        span.set_attribute("rpc.response.status_code", outcome)
        if reason:
            span.set_attribute("error.type", outcome)
            span.set_attribute("hallmark.reason", reason)
        if outcome in _OURS:
            span.set_status(StatusCode.ERROR)
        span.end()

    @contextmanager
    def _step(self, call: Context, name: str) -> Iterator[None]:
        """An error of a step is told by its call; the step says that there was one."""
        span = self._tracer.start_span(name, context=call, kind=SpanKind.INTERNAL)
        try:
            yield
        except Exception as error:
            span.set_attribute("error.type", type(error).__name__)
            span.set_status(StatusCode.ERROR)
            raise
        finally:
            span.end()


class Tracing:
    """Sends spans in the background, in batches; what a receiver does not take in time is dropped."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self.calls = CallTraces(provider.get_tracer("hallmark"))

    @classmethod
    def start(cls, settings: ObservingConfig, *, version: str, authority: bytes | None) -> Self:
        """`authority`: PEM of an https receiver's; None: the system's. Raises ValueError for an endpoint without a host
        or of another scheme.
        """
        assert settings.otlp_endpoint is not None
        address = urlsplit(settings.otlp_endpoint)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError("observing.otlp_endpoint is http://HOST:PORT or https://HOST:PORT")
        is_plain = address.scheme == "http"
        exporter = OTLPSpanExporter(
            endpoint=settings.otlp_endpoint,
            insecure=is_plain,
            credentials=None if is_plain else grpc.ssl_channel_credentials(authority),
            timeout=_EXPORT_SECONDS,
        )
        provider = TracerProvider(
            resource=Resource.create({"service.name": settings.service_name, "service.version": version}),
            sampler=ParentBased(TraceIdRatioBased(settings.trace_ratio)),
            shutdown_on_exit=False,
        )
        provider.add_span_processor(BatchSpanProcessor(exporter))
        return cls(provider)

    def close(self) -> None:
        """Sends what waits, for a few seconds at most. Blocks."""
        if not self._provider.force_flush(_CLOSE_MILLISECONDS):
            _logger.warning("some spans were not taken by the receiver of traces")
        self._provider.shutdown()
