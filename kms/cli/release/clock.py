"""The time of the publisher's machine, in one place."""

from datetime import UTC, datetime


def system_now() -> datetime:
    return datetime.now(UTC)
