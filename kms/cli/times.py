"""Times on the command line: RFC 3339, UTC unless they say otherwise."""

from datetime import UTC, datetime
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


MOMENT = Moment()
