"""What an Arm device (PSA) or a realm on an Arm platform (CCA) must look like."""

from dataclasses import dataclass
from enum import StrEnum


class Lifecycle(StrEnum):
    """Security lifecycle states (RFC 9783, 4.3.1), by the upper octet of the claim."""

    UNKNOWN = "unknown"
    ASSEMBLY_AND_TEST = "assembly-and-test"
    ROT_PROVISIONING = "rot-provisioning"
    SECURED = "secured"
    NON_ROT_DEBUG = "non-rot-debug"
    RECOVERABLE_ROT_DEBUG = "recoverable-rot-debug"
    DECOMMISSIONED = "decommissioned"


@dataclass(frozen=True, slots=True)
class SoftwareReference:
    """One component that may run: its measurement (32, 48 or 64 bytes) and, where given, its type (such as "BL"), its
    version, the hash of its signer's key, and the implementation (32 bytes) it is for.
    """

    digest: bytes
    kind: str | None = None
    version: str | None = None
    signer_id: bytes | None = None
    implementation_id: bytes | None = None


@dataclass(frozen=True, slots=True)
class RealmReference:
    """A realm that may run: its initial measurement, and where given, its extensible measurements by index (0 to 3) and
    its personalization value (64 bytes).
    """

    initial: bytes
    extensible: tuple[tuple[int, bytes], ...] = ()
    personalization: bytes | None = None


@dataclass(frozen=True, slots=True)
class ArmPolicy:
    """The defaults accept secured devices only, with any software.

    `software`: every component of the device must be one of these; empty: not checked. `realms`: the realm must be one
    of these; empty: not checked. `implementation_ids` (32 bytes each) empty: any. `platform_configs`: values of the CCA
    platform configuration; empty: any.
    """

    lifecycles: frozenset[Lifecycle] = frozenset({Lifecycle.SECURED})
    implementation_ids: frozenset[bytes] = frozenset()
    software: tuple[SoftwareReference, ...] = ()
    platform_configs: frozenset[bytes] = frozenset()
    realms: tuple[RealmReference, ...] = ()
