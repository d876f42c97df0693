"""Times on the command line: RFC 3339, UTC unless they say otherwise; lengths of time such as 30d or 12h."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click


class Moment(click.ParamType[datetime]):
    """2025-09-26T15:31:20Z, or a day such as 2025-09-26 (its first moment)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        if isinstance(value, datetime):
            return value
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            self.fail(f"{value!r} is not a time such as 2025-09-26T15:31:20Z", param, ctx)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Span(click.ParamType[timedelta]):
    """30d, 12h, 90m or 45s; 0 is none at all."""

    name = "span"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([0-9]{1,7})([smhd])", str(value))
        if found is None and str(value) != "0":
            self.fail(f"{value!r} is not a length of time such as 30d, 12h, 90m or 45s", param, ctx)
        return timedelta(0) if found is None else timedelta(**{_UNITS[found[2]]: int(found[1])})


def span_text(span: timedelta) -> str:
    """As `Span` reads it, in the largest unit that fits."""
    seconds = int(span.total_seconds())
    for letter, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds and seconds % size == 0:
            return f"{seconds // size}{letter}"
    return f"{seconds}s"


MOMENT = Moment()
SPAN = Span()
