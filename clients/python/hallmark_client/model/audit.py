"""What auditors read: the report on post-quantum coverage, and sessions."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hallmark_client.model.result import Result


class QuantumSafety(StrEnum):
    """Whether an algorithm would stand against a quantum computer. HYBRID stands while either of its halves does;
    UNKNOWN: it does not tell, or this release does not know it.
    """

    CLASSICAL = "CLASSICAL"
    HYBRID = "HYBRID"
    POST_QUANTUM = "POST_QUANTUM"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class AlgorithmShare(Result):
    """One line of a table. share: of all that its table counts, 0 to 1."""

    algorithm: str
    safety: QuantumSafety
    count: int
    share: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassicalDependence(Result):
    """Something that rests on classical cryptography only; count: of what `what` names."""

    what: str
    risk: str
    advice: str
    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CoverageReport(Result):
    """Shares by algorithm, the largest first. sessions: by key exchange group. keys: versions that are not destroyed.

    *_covered: share with a post-quantum part, 0 to 1; 1 when there are none. since, until: what was counted.
    """

    sessions: tuple[AlgorithmShare, ...]
    tls_versions: tuple[AlgorithmShare, ...]
    certificate_keys: tuple[AlgorithmShare, ...]
    certificate_signatures: tuple[AlgorithmShare, ...]
    keys: tuple[AlgorithmShare, ...]
    signatures: tuple[AlgorithmShare, ...]
    sessions_covered: float
    keys_covered: float
    signatures_covered: float
    classical_only: tuple[ClassicalDependence, ...]
    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session(Result):
    """One TLS connection of a caller (a SPIFFE ID). authentication: "mtls", "oidc" or "mtls+oidc". bytes: of messages,
    both ways. Certificate algorithms are empty for callers without one.
    """

    caller: str
    authentication: str
    tls_version: str
    tls_group: str
    certificate_key: str
    certificate_signature: str
    start_time: datetime
    last_time: datetime
    calls: int
    refused: int
    bytes: int
