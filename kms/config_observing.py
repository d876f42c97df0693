"""Settings of what an operator looks at: metrics, health pages, traces."""

from pydantic import Field

from kms.config_section import Section


class ObservingConfig(Section):
    enabled: bool = Field(
        True, description="Serve metrics and health pages over HTTP: /metrics, /livez, /readyz, /startupz, /healthz."
    )
    address: str = Field(
        "127.0.0.1",
        description="Address that HTTP port binds to. It asks nobody who they are: beyond this machine, let only the "
        "scraper and the kubelet reach it (a network policy).",
    )
    port: int = Field(
        7482,
        ge=0,
        le=65535,
        description="Its port; 0 takes a free one. Where server.port is 0 and nothing is said here, a free one too.",
    )
    tenant_label: bool = Field(
        False, description="Count calls by tenant as well (hallmark_tenant_calls_total), of 1000 tenants at most."
    )
    ready_without_hsm: bool = Field(
        True,
        description="/readyz stays 200 while the HSM is away: reads, streams and revocations go on, and a network HSM "
        "is away for all replicas at once. False where each replica has its own HSM and another one can sign.",
    )
    otlp_endpoint: str | None = Field(
        None,
        description="Where traces go: an OTLP/gRPC receiver, such as http://127.0.0.1:4317 or "
        "https://otel.example:4317. Needs the extra `otel` (pip install hallmark[otel]). Default: no traces.",
    )
    otlp_authority: str | None = Field(
        None, description="PEM file with the authority of an https receiver; default: the system's."
    )
    trace_ratio: float = Field(
        0.05,
        ge=0,
        le=1,
        description="Share of calls that are traced where the caller does not say (W3C traceparent decides first).",
    )
    service_name: str = Field("hallmark", description="service.name of the traces.")
