"""What can go wrong with the log. Part of the service's one error tree.

LogFrozen                the log refuses to go on: signing now could show two truths. An operator must act
├── LogRolledBack        the database is older than what was published: a backup was restored
├── LogClosing           a succession was interrupted; it has to be finished before the service starts
├── LogForked            the database and what was published contradict each other
├── LogDamaged           the log's own rows contradict each other
└── OriginChanged        the settings name another origin than the one this log was made with
EventRecordedTwice       a caller's mistake: every act has an event key of its own
EntryTooLarge            a caller's mistake: entries have at most 65,535 bytes (C2SP tlog-tiles)
"""

from collections.abc import Sequence

from kms.core.errors import InternalError, Reason


class LogFrozen(InternalError):
    def __init__(self, problem: str) -> None:
        super().__init__(Reason.INTERNAL, f"the transparency log refuses to sign: {problem}")


class LogRolledBack(LogFrozen):
    def __init__(self, published: int, stored: int, *, witness: str | None = None, where: str | None = None) -> None:
        """`witness` has shown a checkpoint of that size, signed by this log; `where`: who else remembers it."""
        seen = (
            f"witness {witness} has its signed checkpoint of size {published}"
            if witness
            else (f"size {published} was published")
        )
        place = f"; {where} shows it" if where else ""
        super().__init__(
            f"{seen}, the database holds only {stored} entries{place}. Was an old backup restored? Restore a newer "
            "one, or let a new log follow: hallmark log succeed --after-rollback --new-origin NAME"
        )


class LogClosing(LogFrozen):
    def __init__(self) -> None:
        super().__init__(
            "this log is being closed and its successor has not begun. Run `hallmark log succeed` again with the "
            "name it was given, then start the service"
        )


class LogForked(LogFrozen):
    pass


class LogDamaged(LogFrozen):
    pass


class OriginChanged(LogFrozen):
    def __init__(self, stored: str, wanted: str) -> None:
        super().__init__(
            f"this database holds the log {stored!r}, the settings (or the home's file log-origin) say {wanted!r}; an "
            "origin never changes. Set log.origin to the database's, or use the database that belongs to this home"
        )


class EventRecordedTwice(InternalError):
    def __init__(self, event_keys: Sequence[str]) -> None:
        super().__init__(Reason.INTERNAL, f"an event is in the log already, one of: {', '.join(event_keys)[:1000]}")


class EntryTooLarge(InternalError):
    def __init__(self, size: int) -> None:
        super().__init__(Reason.INTERNAL, f"a log entry has at most 65535 bytes, not {size}")
