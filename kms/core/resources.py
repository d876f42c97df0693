"""What rules about access and channels may ask of the thing a call names."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType
from typing import Protocol

_NOTHING: Mapping[str, str] = MappingProxyType({})


class Sensitivity(IntEnum):
    """How much harm a stranger could do with it. The order counts: rules say "at least"."""

    LOW = 1
    STANDARD = 2
    HIGH = 3
    MAXIMUM = 4


@dataclass(frozen=True, slots=True)
class ResourceFacts:
    """`kind` is the collection of its name: keys, devices, consents, or tenants for the tenant itself.

    `purpose` and `algorithm` are a key's, in the words of the API (SIGN, MLDSA65_ECDSA_P256_SHA512); empty elsewhere.
    """

    name: str
    tenant: str
    kind: str
    sensitivity: Sensitivity = Sensitivity.STANDARD
    purpose: str = ""
    algorithm: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: _NOTHING)


class FactsReader(Protocol):
    """Looks a resource up. Quick: from memory for a second at most. Whether it exists is not told: a name without a
    resource has the facts that its name gives, and the call finds out itself.
    """

    async def facts(self, name: str) -> ResourceFacts:
        """Raises Unavailable when the database is away."""
