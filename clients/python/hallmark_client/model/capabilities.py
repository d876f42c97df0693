"""What a server can do right now."""

from dataclasses import dataclass
from datetime import timedelta

from hallmark_client.model.enums import Algorithm
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine(Result):
    """A live post-quantum engine. signatures_per_second: ML-DSA-65, of the start-up race; 0 when not raced."""

    name: str
    version: str
    signs: bool
    verifies_releases: bool
    signatures_per_second: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Hsm(Result):
    """The token behind the service. problem: why it is not usable, for operators."""

    module: str
    token_label: str
    token_model: str
    usable: bool
    native_mldsa: bool
    signer_processes: int
    problem: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogIdentity(Result):
    """The log's origin and its verifier keys (C2SP vkey lines, Ed25519 first).

    A client that wants to catch a lying server pins these once, from elsewhere; asking the server proves nothing.
    """

    origin: str
    verifier_keys: tuple[str, ...]
    public_url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Result):
    """Sizes in bytes."""

    max_message_bytes: int
    max_context_bytes: int
    max_evidence_bytes: int
    challenge_lifetime: timedelta
    request_id_lifetime: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities(Result):
    """tls_group: what this very connection negotiated, such as "X25519MLKEM768"."""

    version: str
    algorithms: tuple[Algorithm, ...]
    default_algorithm: Algorithm
    engines: tuple[Engine, ...]
    hsm: Hsm
    log: LogIdentity
    limits: Limits
    evidence_formats: tuple[str, ...]
    tls_group: str
    require_pq_tls: bool
