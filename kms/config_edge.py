"""Settings of edges: processes without an HSM that serve streams and reads (docs/operations.md)."""

from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator, Field, StringConstraints

from kms.config_section import Section


def _split(value: Any) -> Any:
    """An environment variable holds a text: names with commas between."""
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


EdgeName: TypeAlias = Annotated[str, StringConstraints(pattern=r"^[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?$")]
Texts: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_split)]
EdgeNames: TypeAlias = Annotated[tuple[EdgeName, ...], BeforeValidator(_split)]


class EdgeConfig(Section):
    enabled: bool = Field(
        False,
        description="This process is an edge (`hallmark serve --edge`): no HSM, no migrations, no schedulers; it "
        "serves streams and reads from the database that the API replicas share.",
    )
    api: Texts = Field(
        (),
        description="host:port of each API replica, or of what balances them: they sign the heartbeats of an edge, and "
        "callers who ask it for anything else are told of the first one.",
    )
    profile: str = Field(
        "edge",
        description="Folder with the edge's own identity: cert.pem and key.pem, with which it calls the API and "
        "serves its clients, and the authority's ca.pem. An API replica makes one for each of edge.names.",
    )
    api_authority: str | None = Field(
        None,
        description="PEM file with the authority of the API's certificate, where that is the operator's own "
        "(identity.server_certificate). Default: ca.pem of the profile.",
    )
    public_folder: str | None = Field(
        None,
        description="Folder of the public files, shared or mirrored. With it the edge serves them over HTTP, and the "
        "reads of LogService; without it, neither.",
    )
    names: EdgeNames = Field(
        (),
        description="On an API replica: the edges there are. It makes an identity for each in the folder "
        "clients/edge-NAME, to be carried to that edge.",
    )
    host_names: Texts = Field(
        ("localhost", "127.0.0.1", "::1"),
        description="On an API replica: names and addresses under which clients reach the edges, for certificates.",
    )
    sign_timeout_seconds: float = Field(
        3, gt=0, le=30, description="How long one API replica may take to sign a batch of heartbeats."
    )
