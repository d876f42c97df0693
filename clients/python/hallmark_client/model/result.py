"""What every result can do: become plain JSON."""

import base64
import dataclasses
import math
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any


class Result:
    """Base of the result dataclasses: frozen, slots, UTC datetimes, StrEnum values, raw bytes."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values: bytes as base64, times as RFC 3339 in UTC with Z, durations as seconds."""
        assert dataclasses.is_dataclass(self)
        return {field.name: _plain(getattr(self, field.name)) for field in dataclasses.fields(self)}


def rfc3339(moment: datetime) -> str:
    """RFC 3339 with Z; microseconds only when there are any."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _plain(value: object) -> object:
    match value:
        case Result():
            return value.to_dict()
        case bytes():
            return base64.b64encode(value).decode()
        case datetime():
            return rfc3339(value)
        case timedelta():
            return value.total_seconds()
        case str():
            return str(value)  # StrEnum members become their value
        case float() if not math.isfinite(value):
            return None
        case Mapping():
            return {str(key): _plain(item) for key, item in value.items()}
        case tuple() | list():
            return [_plain(item) for item in value]
        case _:
            return value
