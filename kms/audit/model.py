"""What auditors ask of sessions and calls: who came over which channel, and what it rested on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, NamedTuple

from kms.core.database import from_microseconds, to_microseconds

UNKNOWN: Final = "unknown"
_HOUR: Final = timedelta(hours=1) // timedelta(microseconds=1)


class QuantumSafety(StrEnum):
    """Of an algorithm. HYBRID stands while either of its halves does."""

    UNSPECIFIED = "unspecified"
    CLASSICAL = "classical"
    HYBRID = "hybrid"
    POST_QUANTUM = "post-quantum"

    @property
    def is_covered(self) -> bool:
        """It has a post-quantum part."""
        return self in {QuantumSafety.HYBRID, QuantumSafety.POST_QUANTUM}


class CertificateFacts(NamedTuple):
    """Algorithms of a client certificate: of its key, such as "ECDSA P-256", and of its issuer's signature on it."""

    key: str = UNKNOWN
    signature: str = UNKNOWN


NO_CERTIFICATE: Final = CertificateFacts("", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One TLS connection of a caller, as far as it was used. `id`: 16 hex digits. `bytes`: of messages, both ways."""

    id: str
    tenant: str
    caller: str
    authentication: str
    tls_version: str
    tls_group: str
    certificate: CertificateFacts
    start_time: datetime
    last_time: datetime
    calls: int
    refused: int
    bytes: int


@dataclass(frozen=True, slots=True, order=True)
class SeenKind:
    """A kind of call. `resource` is a name without a version; ids that are random or hashes stand as "-", and so do
    names of devices. `network`: "192.0.2.0/24", "2001:db8:1::/48", or empty. `allowed`: roles and policies let it in.
    """

    tenant: str
    caller: str
    action: str
    resource: str
    network: str
    tls_group: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class SeenCall:
    """How often a kind of call came, in the time that is remembered."""

    kind: SeenKind
    count: int
    last_time: datetime


def hour_of(moment: datetime) -> datetime:
    """The hour that it lies in."""
    return from_microseconds(to_microseconds(moment) // _HOUR * _HOUR)
