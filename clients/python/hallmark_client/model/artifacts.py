"""Which artifacts may be used, and from which version on."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result


class ArtifactState(StrEnum):
    """REVOKED is for ever."""

    VALID = "VALID"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactStatus(Result):
    """name: tenants/{tenant}/artifacts/{SHA-256} or tenants/{tenant}/models/{model}. minimum_version: of a model; 0 for
    artifacts. revision: counts the changes from 1.
    """

    name: str
    state: ArtifactState
    minimum_version: int
    revision: int
    update_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactChange(Result):
    """The answer to a change."""

    status: ArtifactStatus
    log: LogPromise
    replayed: bool
