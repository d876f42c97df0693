"""What a report of a compromise comes to. It takes revocations, which stand above keys: kms.revocation.compromise."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kms.core.call import Call
from kms.core.idempotency import RequestKey
from kms.core.names import KeyName, KeyVersionName
from kms.keys.model import Key
from kms.log.model import LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class CompromiseOutcome:
    """`revocations`: full names, one for each version. `promise`: of the report."""

    key: Key
    revocations: tuple[str, ...]
    promise: LogPromise
    replayed: bool


class CompromiseReporter(Protocol):
    """Retries: under the same request_id it goes on where it stopped."""

    async def report(
        self,
        name: KeyName | KeyVersionName,
        *,
        compromise_time: datetime | None,
        request: RequestKey,
        call: Call,
        published: bool,
    ) -> CompromiseOutcome: ...
