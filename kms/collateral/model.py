"""Collateral: what vendors publish beside evidence (revocation lists, TCB levels, metadata), and keys of devices that
somebody endorses. Plain values, and the rules about them as pure functions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from attestation.errors import CollateralError
from attestation.model import Format
from attestation.status import MAX_CLOCK_SKEW
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ChildName
from kms.log.model import LogPromise

COLLECTION: Final = "collateral"
SYSTEM_TENANT: Final = "system"
"""The tenant under which stands what an operator provides for all tenants."""
LABEL_PATTERN: Final = r"[a-z0-9](?:[a-z0-9._-]{0,62})"
ITEMS_MAX: Final = 100
"""Pieces that one tenant may keep in force for itself."""
_LABEL = re.compile(LABEL_PATTERN)


class CollateralKind(StrEnum):
    """What there is. The value is also the name of the subfolder that is watched."""

    ANDROID_STATUS = "android-status"
    AMD_CRL = "amd-crl"
    INTEL_TCB = "intel-tcb"
    TPM_CRL = "tpm-crl"
    FIDO_METADATA = "fido-metadata"
    NVIDIA_CRL = "nvidia-crl"
    TPM_KEYS = "tpm-keys"
    ARM_DEVICES = "arm-devices"

    @property
    def signed_by_vendor(self) -> bool:
        """Signed and checked against anchors. The others are as good as whoever brings them: like anchors, they take
        approvals of trust_root_change when they come in by a call.
        """
        return self in _SIGNED

    @property
    def labelled(self) -> bool:
        """Several may be in force beside each other, told apart by a label the caller chooses."""
        return self in {CollateralKind.TPM_KEYS, CollateralKind.ARM_DEVICES}


_SIGNED: Final = frozenset(
    {
        CollateralKind.AMD_CRL,
        CollateralKind.INTEL_TCB,
        CollateralKind.TPM_CRL,
        CollateralKind.NVIDIA_CRL,
        CollateralKind.FIDO_METADATA,
    }
)

READ_BY: Final[Mapping[CollateralKind, frozenset[Format]]] = {
    CollateralKind.ANDROID_STATUS: frozenset({Format.ANDROID_KEY, Format.WEBAUTHN}),
    CollateralKind.AMD_CRL: frozenset({Format.AMD_SEV_SNP, Format.AZURE_VTPM}),
    CollateralKind.INTEL_TCB: frozenset({Format.INTEL_SGX, Format.INTEL_TDX, Format.AZURE_VTPM}),
    CollateralKind.TPM_CRL: frozenset({Format.TPM, Format.AZURE_VTPM}),
    CollateralKind.NVIDIA_CRL: frozenset({Format.NVIDIA_GPU}),
    CollateralKind.FIDO_METADATA: frozenset({Format.WEBAUTHN}),
    CollateralKind.TPM_KEYS: frozenset({Format.TPM}),
    CollateralKind.ARM_DEVICES: frozenset({Format.ARM_PSA, Format.ARM_CCA}),
}
"""The formats whose judges look at it. A new piece re-appraises the devices of these and no others."""


class CollateralState(StrEnum):
    IN_FORCE = "in-force"
    STALE = "stale"
    OVERRIDDEN = "overridden"
    """A tenant's own piece stands before what the operator provides for all."""


@dataclass(frozen=True, slots=True)
class Archived:
    """Bytes that a verdict may have rested on, kept for ever. `value_kind` is the class of the parsed value."""

    value_kind: str
    sha256: str
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Bytes that were parsed and verified.

    `key` tells apart what is in force side by side: the CA of a CRL, the platform of TCB info, a label. `version` never
    falls from one piece to its successor, member by member (times of issue in seconds, numbers); empty: not known.
    """

    kind: CollateralKind
    key: str
    value: object = field(repr=False)
    archived: Archived = field(repr=False)
    version: tuple[int, ...] = ()
    issue_time: datetime | None = None
    next_update: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralItem:
    """What is in force for one (owner, kind, key). `owner`: a tenant, or "system" for everybody.

    `sha256` (hex) is that of the bytes as they came, `source` says from where. `fetch_time` is when they were last
    found unchanged there, `update_time` when they took the place of others.
    """

    name: ChildName
    kind: CollateralKind
    key: str
    sha256: str
    source: str
    size: int
    version: tuple[int, ...]
    issue_time: datetime | None
    next_update: datetime | None
    fetch_time: datetime
    update_time: datetime

    @property
    def owner(self) -> str:
        return self.name.tenant

    def stale(self, *, max_age: timedelta | None, now: datetime) -> bool:
        """Past the time its issuer gave it, or where the issuer gives none, fetched too long ago."""
        if self.next_update is not None:
            return now > self.next_update
        return max_age is not None and now - self.fetch_time > max_age


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceStatus:
    """How the last attempt at a source went. `error` is empty after a success."""

    kind: CollateralKind
    source: str
    attempt_time: datetime
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralAnswer:
    """What a mutating call remembers for a replay. `changed`: the bytes differ from what was in force before."""

    item: CollateralItem
    changed: bool
    promise: LogPromise


def check_issued(reading: Reading, now: datetime) -> None:
    """A piece of the future is no proof of today, and would keep out what its vendor publishes until then.

    Raises CollateralError; five minutes are allowed between clocks.
    """
    if reading.issue_time is not None and reading.issue_time - now > MAX_CLOCK_SKEW:
        raise CollateralError(f"issued in the future, {reading.issue_time:%Y-%m-%dT%H:%M:%SZ}")


def falls_behind(new: tuple[int, ...], current: tuple[int, ...]) -> bool:
    """Is some part of it older than what is in force? Then somebody replays an old list, or a mirror lags behind."""
    return any(mine < theirs for mine, theirs in zip(new, current, strict=False))


def check_label(kind: CollateralKind, label: str) -> str:
    """Raises InvalidArgument."""
    if kind.labelled and not _LABEL.fullmatch(label):
        raise InvalidArgument(
            Reason.FIELD_INVALID,
            f"{kind} needs a label: 1 to 63 lower-case letters, digits, dots, hyphens or underscores",
            field="label",
        )
    if label and not kind.labelled:
        raise InvalidArgument(Reason.FIELD_INVALID, f"{kind} names itself; leave label out", field="label")
    return label
