"""Structured logs: one JSON object a line on standard error. Callers pass facts as `extra={"facts": {...}}`.

Rule for every line of the service: no PIN, no key byte, no message byte, no evidence.

Lines are formatted at once and written by a thread a moment later, many at a time: every call leaves an audit line, and
a write each would cost more than half of what the rest of the line does. A process that is killed loses the lines of
its last 50 ms; what must not be lost is in the transparency log, with its act. A standard error that can not be written
(a file on a full disk, a pipe nobody reads any more) costs lines, and never the work of who wrote them.
"""

import atexit
import json
import logging
import queue
import sys
import threading
from typing import Any, Final, TextIO

from kms.core.clock import SystemClock, format_time

_FLUSH_SECONDS: Final = 0.05
_LINES_MAX: Final = 10_000
"""That may wait for a reader of standard error who has stopped reading; then callers wait too."""
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, default=str)
_logger = logging.getLogger(__name__)


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
        return _ENCODER.encode(line)


class PlainFormatter(logging.Formatter):
    """The same lines for a person at a terminal: time, level, message, facts in short."""

    def format(self, record: logging.LogRecord) -> str:
        facts = " ".join(f"{name}={value}" for name, value in getattr(record, "facts", {}).items() if value != "")
        line = f"{SystemClock().now():%H:%M:%S} {record.levelname.lower():8} {record.getMessage()} {facts}".rstrip()
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


class LineWriter:
    """Gathers lines; a thread writes them. Lines that can not be written are lost, and counted in a later one."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._writing = threading.Lock()
        self._due = threading.Event()
        self._lost = 0
        threading.Thread(target=self._run, name="log-writer", daemon=True).start()
        atexit.register(self.flush)

    def put(self, line: str) -> None:
        self._lines.put(line)
        if self._lines.qsize() > _LINES_MAX:
            self.flush()
        elif not self._due.is_set():
            self._due.set()

    def flush(self) -> None:
        with self._writing:
            lines = [self._lines.get() for _ in range(self._lines.qsize())]
            lost = self._write(lines) if lines else 0
        if lost:
            _logger.warning("%d lines of this log could not be written and are lost", lost)

    def _write(self, lines: list[str]) -> int:
        """How many were lost before these; 0 where these are lost as well: it is told when something can be written."""
        lost = self._lost
        try:
            # What failed may have ended in the middle of a line.
            self._stream.write(("\n" if lost else "") + "\n".join(lines) + "\n")
            self._stream.flush()
        except OSError:
            self._lost += len(lines)
            return 0
        self._lost = 0
        return lost

    def _run(self) -> None:
        pause = threading.Event()
        while True:
            self._due.wait()
            pause.wait(_FLUSH_SECONDS)
            self._due.clear()
            self.flush()


class LineHandler(logging.Handler):
    """Hands lines to the writer. Warnings and worse are written before `emit` returns."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self.writer = writer

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.writer.put(self.format(record))
        except Exception:  # as every handler of logging does: a line that can not be made must not fail a call
            self.handleError(record)
            return
        if record.levelno >= logging.WARNING:
            self.writer.flush()


def json_writer() -> LineWriter | None:
    """For who writes thousands of lines a second and makes the JSON itself. None where lines are not JSON."""
    for handler in logging.getLogger().handlers:
        if isinstance(handler, LineHandler) and isinstance(handler.formatter, JsonFormatter):
            return handler.writer
    return None


def configure_logging(level: str, *, for_people: bool = False) -> None:
    """For a process of the service: replaces the root handlers. `level` is a name such as INFO."""
    # No line shows thread, process or source (the logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None  # noqa: SLF001
    handler = LineHandler(LineWriter(sys.stderr))
    handler.setFormatter(PlainFormatter() if for_people else JsonFormatter())
    logging.basicConfig(level=level, handlers=[handler], force=True)
    for noisy in ("uvicorn", "alembic", "asyncio"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
