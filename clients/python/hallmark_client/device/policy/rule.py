"""One rule: the operations it lets pass, and the clauses that must all hold for them."""

from dataclasses import dataclass, replace

from hallmark_client.device.model import Clause, Enforcement
from hallmark_client.device.policy.asking import Ask, Operation
from hallmark_client.device.policy.clauses import (
    NOBODY,
    AnyClause,
    Callers,
    ConcurrentReaders,
    MaxBytes,
    MaxUses,
    MinimumVersion,
    NotAfter,
    RequiresLease,
    TimeToLive,
    UserPresent,
)
from hallmark_client.device.policy.errors import PolicyInvalid
from hallmark_client.model.result import Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule(Result):
    """operations: sorted; none is let pass without being named. A rule without `callers` is for nobody."""

    operations: tuple[Operation, ...]
    callers: Callers = NOBODY
    max_uses: MaxUses | None = None
    not_after: NotAfter | None = None
    ttl: TimeToLive | None = None
    requires_lease: RequiresLease | None = None
    minimum_version: MinimumVersion | None = None
    user_present: UserPresent | None = None
    concurrent_readers: ConcurrentReaders | None = None
    max_bytes: MaxBytes | None = None

    def __post_init__(self) -> None:
        if list(self.operations) != sorted(set(self.operations)):
            raise PolicyInvalid("operations are sorted, each once")

    @property
    def clauses(self) -> tuple[AnyClause, ...]:
        found = (
            self.callers,
            self.minimum_version,
            self.max_bytes,
            self.requires_lease,
            self.not_after,
            self.ttl,
            self.max_uses,
            self.user_present,
            self.concurrent_readers,
        )
        return tuple(clause for clause in found if clause is not None)

    def while_open(self) -> "Rule":
        """What must go on to hold for a reader that was let in: not what was spent or counted for that."""
        return replace(self, max_uses=None, user_present=None, concurrent_readers=None)

    def judge(self, ask: Ask) -> tuple[Clause, ...]:
        """`operations`, then every clause that the operation is under."""
        named = Clause(
            name="operations",
            text=f"only {', '.join(self.operations)}" if self.operations else "no operation",
            enforcement=Enforcement.ADVISORY,
            allows=ask.operation in self.operations,
        )
        return (named, *(clause.judge(ask) for clause in self.clauses if ask.operation in clause.OPERATIONS))
