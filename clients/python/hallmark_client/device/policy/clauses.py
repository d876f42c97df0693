"""The clauses of a rule: each says when it holds, and who makes it hold.

`enforcement` of a clause is the least that its author accepts. Where the clause is only made to hold by something
weaker, it denies, and its text says why: a counter in this program never stands for one in a chip.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Final, TypeAlias

from hallmark_client.device.model import Artifact, Clause, Enforcement
from hallmark_client.device.policy.asking import Ask, Operation, at_least
from hallmark_client.device.policy.errors import PolicyInvalid
from hallmark_client.device.policy.uses import MINUTE, WINDOW_SECONDS_MAX
from hallmark_client.device.roots.port import RootFacts, RootPower
from hallmark_client.model.result import Result
from hallmark_events.canonical import INTEGER_MAX, format_time

APPLICATIONS_MAX: Final = 64
TEXT_MAX: Final = 256
USES_MAX: Final = 1_000_000
READERS_MAX: Final = 1_000
LIFE_SECONDS_MAX: Final = 10 * 366 * 24 * 3_600
_LAST: Final = datetime.max.replace(tzinfo=UTC)

_ON_GET: Final = frozenset({Operation.GET})
_ON_GET_AND_PUT: Final = frozenset({Operation.GET, Operation.PUT})
"""What a root of trust has to promise is asked when something is stored, not first when it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers(Result):
    """callers: the applications that may; nobody else. PLATFORM: named by the operating system (Caller.proved)."""

    NAME: ClassVar[str] = "callers"
    OPERATIONS: ClassVar[frozenset[Operation]] = frozenset(Operation)
    applications: tuple[str, ...] = ()
    enforcement: Enforcement = Enforcement.ADVISORY

    def __post_init__(self) -> None:
        check_texts(self.applications, what="applications")

    def judge(self, ask: Ask) -> Clause:
        found = Enforcement.PLATFORM if ask.caller.proved else Enforcement.ADVISORY
        why = "" if ask.caller.proved else "the caller named itself"
        text = f"only for {', '.join(self.applications)}" if self.applications else "for no application"
        return _clause(self, text, ask.caller.application in self.applications, found, why)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxUses(Result):
    """max-uses: in any `seconds` (whole minutes, up to 31 days), or ever. More than ADVISORY: the root of trust counts
    how often it opens the artifact's key, and knows no periods.
    """

    NAME: ClassVar[str] = "max-uses"
    OPERATIONS: ClassVar[frozenset[Operation]] = _ON_GET_AND_PUT
    uses: int
    seconds: int | None = None
    enforcement: Enforcement = Enforcement.ADVISORY

    def __post_init__(self) -> None:
        _check_range(self.uses, 1, USES_MAX, what="max_uses")
        if self.seconds is not None:
            _check_range(self.seconds, MINUTE, WINDOW_SECONDS_MAX, what="the seconds of max_uses")
            if self.seconds % MINUTE:
                raise PolicyInvalid("the seconds of max_uses are whole minutes")

    def judge(self, ask: Ask) -> Clause:
        period = "" if self.seconds is None else f" in {self.seconds} seconds"
        text = f"at most {self.uses} uses{period}"
        power = root_power(self, ask.root, RootPower.MAX_USES)
        if ask.operation is Operation.PUT:
            return _clause(self, text, True, power, "the root of trust does not count uses")
        sealed = ask.held.sealed_uses
        if sealed is None or sealed > self.uses:
            power = Enforcement.ADVISORY
        spent = ask.uses.spent(ask.artifact.artifact_id, self.seconds, ask.now)
        why = _UNSEALED if self.seconds is None else "no root of trust counts by periods"
        return _clause(self, f"{text}, {spent} spent", spent < self.uses, power, why)


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAfter(Result):
    """not-after: usable before `time`."""

    NAME: ClassVar[str] = "not-after"
    OPERATIONS: ClassVar[frozenset[Operation]] = _ON_GET_AND_PUT
    time: datetime
    enforcement: Enforcement = Enforcement.ADVISORY

    def __post_init__(self) -> None:
        if self.time.tzinfo is None:
            raise PolicyInvalid("not_after is an aware time")

    def end(self, artifact: Artifact) -> datetime:
        del artifact
        return self.time

    def judge(self, ask: Ask) -> Clause:
        return _judge_end(self, self.end(ask.artifact), ask)


@dataclass(frozen=True, slots=True, kw_only=True)
class TimeToLive(Result):
    """ttl: usable for `seconds` after it was stored here."""

    NAME: ClassVar[str] = "ttl"
    OPERATIONS: ClassVar[frozenset[Operation]] = _ON_GET_AND_PUT
    seconds: int
    enforcement: Enforcement = Enforcement.ADVISORY

    def __post_init__(self) -> None:
        _check_range(self.seconds, 1, LIFE_SECONDS_MAX, what="ttl")

    def end(self, artifact: Artifact) -> datetime:
        if artifact.created_at > _LAST - timedelta(seconds=self.seconds):
            return _LAST  # stored while the clock was at the end of time
        return artifact.created_at + timedelta(seconds=self.seconds)

    def judge(self, ask: Ask) -> Clause:
        return _judge_end(self, self.end(ask.artifact), ask)


@dataclass(frozen=True, slots=True, kw_only=True)
class RequiresLease(Result):
    """lease: the artifact was stored so that each use asks for a live lease of the service, which gives none without a
    fresh verdict on the device, consent, and an artifact that is not revoked.
    """

    NAME: ClassVar[str] = "lease"
    OPERATIONS: ClassVar[frozenset[Operation]] = _ON_GET_AND_PUT
    enforcement: Enforcement = Enforcement.SERVER

    def judge(self, ask: Ask) -> Clause:
        text = "only while a lease of the service stands behind it"
        return _clause(self, text, ask.artifact.needs_permission, Enforcement.SERVER, "")


@dataclass(frozen=True, slots=True, kw_only=True)
class MinimumVersion(Result):
    """minimum-version: no older one."""

    NAME: ClassVar[str] = "minimum-version"
    OPERATIONS: ClassVar[frozenset[Operation]] = _ON_GET_AND_PUT
    version: int
    enforcement: Enforcement = Enforcement.ADVISORY

    def __post_init__(self) -> None:
        _check_range(self.version, 0, INTEGER_MAX, what="minimum_version")

    def judge(self, ask: Ask) -> Clause:
        holds = ask.artifact.version >= self.version
        return _clause(self, f"version {self.version} or later", holds, Enforcement.ADVISORY, _BY_PROGRAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class UserPresent(Result):
    """user-present: somebody is there. PLATFORM only where the operating system says so (Caller.proved)."""

    NAME: ClassVar[str] = "user-present"
    OPERATIONS: ClassVar[frozenset[Operation]] = _ON_GET
    enforcement: Enforcement = Enforcement.PLATFORM

    def judge(self, ask: Ask) -> Clause:
        found = Enforcement.PLATFORM if ask.caller.proved else Enforcement.ADVISORY
        return _clause(self, "only with a user present", ask.caller.user_present, found, "the caller says so itself")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConcurrentReaders(Result):
    """concurrent-readers: how many may be open at a time."""

    NAME: ClassVar[str] = "concurrent-readers"
    OPERATIONS: ClassVar[frozenset[Operation]] = _ON_GET
    readers: int
    enforcement: Enforcement = Enforcement.ADVISORY

    def __post_init__(self) -> None:
        _check_range(self.readers, 1, READERS_MAX, what="concurrent_readers")

    def judge(self, ask: Ask) -> Clause:
        text = f"at most {self.readers} readers at a time, {ask.held.readers} open"
        return _clause(self, text, ask.held.readers < self.readers, Enforcement.ADVISORY, _BY_PROGRAM)


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxBytes(Result):
    """max-bytes: of plaintext, when it is stored."""

    NAME: ClassVar[str] = "max-bytes"
    OPERATIONS: ClassVar[frozenset[Operation]] = frozenset({Operation.PUT})
    size: int
    enforcement: Enforcement = Enforcement.ADVISORY

    def __post_init__(self) -> None:
        _check_range(self.size, 0, INTEGER_MAX, what="max_bytes")

    def judge(self, ask: Ask) -> Clause:
        holds = ask.artifact.size <= self.size
        return _clause(self, f"at most {self.size} bytes", holds, Enforcement.ADVISORY, _BY_PROGRAM)


AnyClause: TypeAlias = (
    Callers
    | MaxUses
    | NotAfter
    | TimeToLive
    | RequiresLease
    | MinimumVersion
    | UserPresent
    | ConcurrentReaders
    | MaxBytes
)

_BY_PROGRAM: Final = "only this program sees to it"
_UNSEALED: Final = "its key is not under such a limit of the root of trust"


def root_power(clause: MaxUses | NotAfter | TimeToLive, root: RootFacts, power: RootPower) -> Enforcement:
    """By whom the root of trust makes the clause hold, if it is asked to: scarce, so only where the rule demands it."""
    asked = clause.enforcement is not Enforcement.ADVISORY
    if not asked or (isinstance(clause, MaxUses) and clause.seconds is not None):
        return Enforcement.ADVISORY
    return root.powers.get(power, Enforcement.ADVISORY)


def check_texts(texts: Iterable[str], *, what: str) -> None:
    """Sorted, each once, printable: one spelling. Raises PolicyInvalid."""
    found = list(texts)
    if len(found) > APPLICATIONS_MAX or found != sorted(set(found)):
        raise PolicyInvalid(f"{what} are at most {APPLICATIONS_MAX}, sorted, each once")
    for text in found:
        check_text(text, what=what)


def check_text(text: str, *, what: str) -> None:
    """Raises PolicyInvalid."""
    if not 1 <= len(text) <= TEXT_MAX or not text.isprintable():
        raise PolicyInvalid(f"{what}: 1 to {TEXT_MAX} printable characters")


def _judge_end(clause: NotAfter | TimeToLive, end: datetime, ask: Ask) -> Clause:
    found = root_power(clause, ask.root, RootPower.NOT_AFTER)
    why = "the root of trust knows no time"
    if ask.operation is not Operation.PUT:
        until = ask.held.sealed_until
        if until is None or until > end:
            found, why = Enforcement.ADVISORY, _UNSEALED
    return _clause(clause, f"usable before {format_time(end)}", ask.now < end, found, why)


def _clause(clause: AnyClause, text: str, holds: bool, found: Enforcement, why: str) -> Clause:  # noqa: FBT001
    """`why`: what to say where `found` is not enough."""
    if not at_least(found, clause.enforcement):
        text = f"{text}; enforcement by {clause.enforcement} is demanded, but {why}"
        holds = False
    return Clause(name=clause.NAME, text=text, enforcement=found, allows=holds)


def _check_range(value: int, low: int, high: int, *, what: str) -> None:
    if not low <= value <= high:
        raise PolicyInvalid(f"{what} is {low} to {high}, not {value}")


NOBODY: Final = Callers()
