"""A real OTLP/gRPC receiver on loopback: the collector's TraceService, which keeps what it is sent."""

import threading
import time
from collections.abc import Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import Span


@dataclass(slots=True)
class OtlpReceiver(trace_service_pb2_grpc.TraceServiceServicer):
    endpoint: str = ""
    spans: list[Span] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request: Any, _context: grpc.ServicerContext) -> Any:
        with self._lock:
            for each in request.resource_spans:
                self.resources.append({pair.key: pair.value.string_value for pair in each.resource.attributes})
                for scope in each.scope_spans:
                    self.spans.extend(scope.spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def wait_for(self, name: str, *, seconds: float = 20) -> Span:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._lock:
                for span in self.spans:
                    if span.name == name:
                        return span
            time.sleep(0.05)
        raise AssertionError(f"no span {name}; there are {sorted({span.name for span in self.spans})}")

    def children(self, parent: Span) -> set[str]:
        with self._lock:
            return {span.name for span in self.spans if span.parent_span_id == parent.span_id}


def attributes(span: Span) -> dict[str, str]:
    return {pair.key: pair.value.string_value for pair in span.attributes}


@contextmanager
def otlp_receiver() -> Iterator[OtlpReceiver]:
    receiver = OtlpReceiver()
    server = grpc.server(futures.ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(receiver, server)
    receiver.endpoint = f"http://127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield receiver
    finally:
        server.stop(0).wait()
