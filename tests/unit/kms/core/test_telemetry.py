import errno
import io
import json
import logging
import os
import time

from kms.core.telemetry import JsonFormatter, LineHandler, LineWriter


def _wait_for(stream: io.StringIO, lines: int) -> list[dict]:
    until = time.monotonic() + 5
    while stream.getvalue().count("\n") < lines and time.monotonic() < until:
        time.sleep(0.01)
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def _logger(stream: io.StringIO) -> logging.Logger:
    handler = LineHandler(LineWriter(stream))
    handler.setFormatter(JsonFormatter())
    logger = logging.getLogger("test.telemetry")
    logger.handlers.clear()
    logger.propagate = False
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return logger


def test_lines_are_written_a_moment_later_and_none_is_lost() -> None:
    stream = io.StringIO()
    logger = _logger(stream)
    for number in range(1000):
        logger.info("call", extra={"facts": {"number": number}})
    assert [line["number"] for line in _wait_for(stream, 1000)] == list(range(1000))


def test_warnings_are_there_at_once_with_what_came_before() -> None:
    stream = io.StringIO()
    logger = _logger(stream)
    logger.info("before")
    logger.warning("trouble")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["before", "trouble"]


class FullDisk(io.StringIO):
    """Takes nothing while `is_full`."""

    is_full = False

    def write(self, text: str) -> int:
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(text)


def test_a_full_disk_costs_lines_and_nobodys_work(caplog) -> None:
    """Who logs a warning goes on, and is not told of a disk that is not its own."""
    stream = FullDisk()
    logger = _logger(stream)
    stream.is_full = True
    for _ in range(3):
        logger.warning("trouble")
    assert stream.getvalue() == ""
    stream.is_full = False
    logger.warning("room again")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines() if line] == ["room again"]
    assert caplog.messages == ["3 lines of this log could not be written and are lost"]
    logger.warning("well")
    assert len(caplog.messages) == 1, "told once"


def test_an_exception_is_told_in_one_line() -> None:
    stream = io.StringIO()
    logger = _logger(stream)
    try:
        raise ValueError("first line\nsecond line")
    except ValueError:
        logger.exception("it failed")
    [line] = stream.getvalue().splitlines()
    assert "second line" in json.loads(line)["exception"]
