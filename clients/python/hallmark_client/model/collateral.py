"""Collateral and trust anchors: what verdicts rest on beside evidence and policy."""

import hashlib
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hallmark_client.model.enums import CollateralKind, CollateralState, EvidenceFormat
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Collateral(Result):
    """A piece in force. name: tenants/system/... is provided by the operator for all tenants. key: what it is about.

    sha256: of the bytes in the archive (hex), as verdicts name it. issue_time, next_update: as its issuer says.
    fetch_time: when it was last found at its source. update_time: when it took the place of another.
    """

    name: str
    kind: CollateralKind
    key: str
    sha256: str
    source: str
    size_bytes: int
    state: CollateralState
    issue_time: datetime | None
    next_update: datetime | None
    fetch_time: datetime
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralSource(Result):
    """A file or mirror of the operator. error: why the last attempt failed; empty when it did not."""

    kind: CollateralKind
    source: str
    attempt_time: datetime
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralOverview(Result):
    """All that is in force for the tenant, and how the operator's sources do."""

    collateral: tuple[Collateral, ...]
    sources: tuple[CollateralSource, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CollateralChange(Result):
    """The answer to `put`. changed: False when the same bytes were in force already."""

    collateral: Collateral
    changed: bool
    log: LogPromise
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor(Result):
    """A key that evidence may end in. name: tenants/{tenant}/anchors/{SHA-256 of spki, hex}; empty before it is added.

    spki: SubjectPublicKeyInfo, DER. uses: narrows formats with several kinds of chains. is_root: its certificate
    signed itself, so one of this key by another issuer is refused. create_time: None for those
    built in or named in the server's settings.
    """

    name: str = ""
    display_name: str
    spki: bytes
    formats: tuple[EvidenceFormat, ...]
    uses: tuple[str, ...] = ()
    common_name: str = ""
    is_root: bool = False
    not_before: datetime | None = None
    not_after: datetime | None = None
    source: str = ""
    create_time: datetime | None = None

    @property
    def spki_sha256(self) -> str:
        """Hex; the id of the anchor."""
        return hashlib.sha256(self.spki).hexdigest()

    @property
    def terms_sha256(self) -> bytes:
        """What a proposal to add it names as its parameters: 32 bytes."""
        terms: dict[str, Any] = {
            "common_name": self.common_name or None,
            "formats": sorted(map(_format_name, self.formats)),
            "is_root": self.is_root,
            "not_after": _seconds(self.not_after),
            "not_before": _seconds(self.not_before),
            "uses": sorted(self.uses),
        }
        text = json.dumps(terms, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorChange(Result):
    """The answer to adding an anchor."""

    anchor: Anchor
    log: LogPromise
    replayed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal(Result):
    """The answer to removing something."""

    log: LogPromise
    replayed: bool


def _format_name(form: EvidenceFormat) -> str:
    """As verdicts write it."""
    return "hallmark-software" if form.value == "SOFTWARE" else form.value.lower().replace("_", "-")


def _seconds(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp())
