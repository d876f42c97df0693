"""Keys of the transparency log."""

from dataclasses import dataclass
from datetime import datetime

from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class LogKey(Result):
    """vkey: C2SP signed-note verifier key, one line. retire_time: from then on it signs no checkpoint."""

    vkey: str
    origin: str
    number: int
    create_time: datetime | None
    retire_time: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RotatedLogKey(Result):
    """key: the new one. log: of the entry that announces it, which checkpoints signed by the old key cover."""

    key: LogKey
    log: LogPromise
