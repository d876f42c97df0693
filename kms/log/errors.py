"""What can go wrong with the log. Part of the service's one error tree.

LogFrozen                the log refuses to go on: signing now could show two truths. An operator must act
├── LogRolledBack        the database is older than what was published: a backup was restored
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
    def __init__(self, published: int, stored: int) -> None:
        super().__init__(
            f"size {published} was published, the database holds only {stored} entries. Was an old backup restored? "
            "Restore a newer one, or begin a new log with another origin and another public folder"
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
