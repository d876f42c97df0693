"""Which artifacts may be used: by digest, and for models from which version on."""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Self

from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ID_PATTERN, DigestName
from kms.events.model import Status
from kms.log.model import LogPromise

ARTIFACT_REVOKED: Final = "tag:hallmark.local,2026:secevent/odai/event-type/artifact-revoked"
ARTIFACT_STATUS_CHANGE: Final = "tag:hallmark.local,2026:secevent/odai/event-type/artifact-status-change"
ARTIFACT_SUPERSEDED: Final = "tag:hallmark.local,2026:secevent/odai/event-type/artifact-superseded"
COLLECTION: Final = "artifacts"
VERSION_MAX: Final = 2**53
"""What JSON carries without loss (RFC 8259, section 6)."""
_MODEL: Final = re.compile(rf"tenants/({ID_PATTERN})/models/({ID_PATTERN})")


@dataclass(frozen=True, slots=True)
class ModelName:
    """tenants/{tenant}/models/{model}: what the versions of an artifact have in common."""

    tenant: str
    model: str

    def __str__(self) -> str:
        return f"tenants/{self.tenant}/models/{self.model}"

    @classmethod
    def parse(cls, text: str, field: str = "name") -> Self:
        """Raises InvalidArgument/NAME_INVALID."""
        found = _MODEL.fullmatch(text) if len(text) <= 512 else None
        if found is None:
            shape = "tenants/{tenant}/models/{model}"
            raise InvalidArgument(Reason.NAME_INVALID, f"{field} must look like {shape}", field=field)
        return cls(found[1], found[2])


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactStatus:
    """Of an artifact its state; of a model its minimum version. `revision` counts the changes from 1."""

    name: DigestName | ModelName
    state: Status
    minimum_version: int
    revision: int
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactAnswer:
    """What a changing call remembers for a replay."""

    name: str
    state: int
    minimum_version: int
    revision: int
    update_time: datetime
    promise: LogPromise
