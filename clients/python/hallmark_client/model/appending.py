"""Events of the caller's own for the transparency log, and what comes back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result

AppendWait: TypeAlias = Literal["committed", "sequenced", "published"]
"""How long an append waits. committed: it is stored. sequenced: it has its index. published: it has its proof."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ToAppend:
    """One event of `client.log.append_many` and `append_stream`; as the arguments of `append`."""

    event_type: str
    subject: str
    details: Mapping[str, str] = field(default_factory=dict)
    personal: Mapping[str, str] = field(default_factory=dict)
    person: str = ""
    request_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Appended(Result):
    """An event that is in the log. log: its promise, to be verified. salts: 32 bytes for each `personal` fact, what
    opens its commitment; the service keeps a copy until it is erased. replayed: it was there from an earlier call.
    """

    log: LogPromise
    salts: Mapping[str, bytes]
    replayed: bool
