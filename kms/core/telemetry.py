"""Structured logs: one JSON object a line on standard error. Callers pass facts as `extra={"facts": {...}}`.

Rule for every line of the service: no PIN, no key byte, no message byte, no evidence.
"""

import json
import logging
import sys
from typing import Any

from kms.core.clock import SystemClock, format_time


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, then the facts."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, Any] = {
            "time": format_time(SystemClock().now()),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, "facts", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class PlainFormatter(logging.Formatter):
    """The same lines for a person at a terminal: time, level, message, facts in short."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in getattr(record, "facts", {}).items() if value != "")
        line = f"{SystemClock().now():%H:%M:%S} {record.levelname.lower():8} {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def configure_logging(level: str, *, for_people: bool = False) -> None:
    """For a process of the service: replaces the root handlers. `level` is a name such as INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(PlainFormatter() if for_people else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("uvicorn", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
