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


def configure_logging(level: str) -> None:
    """For a process of the service: replaces the root handlers. `level` is a name such as INFO."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("uvicorn", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
