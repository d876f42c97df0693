"""The port of roots of trust: what keeps the key above all other keys of a vault, and can make the past unreadable.

Every root passes tests/contract/device/test_roots.py. None pretends: `facts` says what stands behind it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from hallmark_client.device.model import Enforcement
from hallmark_client.model.result import Result


class RootPower(StrEnum):
    """What a root can enforce beside keeping a secret."""

    SHRED = "shred"
    """After `advance`, no copy of anything sealed before opens, wherever it was kept."""
    MAX_USES = "max-uses"
    NOT_AFTER = "not-after"
    EVIDENCE = "evidence"
    """Certifies its epoch with a key of its own (NV_Certify), over a nonce."""
    USER_PRESENCE = "user-presence"
    BOOT_STATE = "boot-state"


@dataclass(frozen=True, slots=True, kw_only=True)
class RootFacts(Result):
    """name: tpm2, pkcs11, keyring, passphrase, bridge, memory. powers: by whom each is enforced. caveats: what this
    root does not protect against, one sentence each, for people.
    """

    name: str
    assurance: Enforcement
    powers: Mapping[RootPower, Enforcement]
    detail: str
    caveats: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Result):
    """max_uses: how often it opens. not_after_seconds: from now, by the root's own clock. None: no limit."""

    max_uses: int | None = None
    not_after_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EpochEvidence(Result):
    """The root certifies that its epoch is `epoch`, over the caller's nonce. parts: as evidence parts of the service,
    such as nv-certify and nv-signature.
    """

    epoch: int
    parts: Mapping[str, bytes]


class RootOfTrust(Protocol):
    """Durability: `advance` has happened, for good, when it returns; a crash within leaves the old or the new epoch.
    Retries: every call may be repeated. Threads: one caller at a time; the vault sees to that. Secrets: 1..256 bytes;
    what `open` gives is the caller's to wipe. Not there: RootUnavailable; not the same any more: RootLost.
    """

    @property
    def facts(self) -> RootFacts: ...

    def seal(self, secret: bytes | bytearray, *, epoch: int, label: bytes, limits: Limits | None = None) -> bytes:
        """Opens only with the same epoch and label (1..64 bytes). epoch: the present one or the next. Raises ValueError
        for limits that `facts.powers` does not have.
        """

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        """Raises RootLost when it was not sealed here with this epoch and label, or the epoch has passed; LimitReached
        when a limit is spent.
        """

    def epoch(self) -> int:
        """From 1; never falls."""

    def advance(self, to: int) -> None:
        """To the next epoch; to the present one: nothing happens. Raises ValueError for any other."""

    def evidence(self, nonce: bytes) -> EpochEvidence | None:
        """None where the root has no EVIDENCE. nonce: 16..64 bytes."""

    def close(self) -> None: ...
