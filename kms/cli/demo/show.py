"""What a person sees of the demonstration: steps with ticks, and a line or two for each."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

import click


@dataclass(frozen=True, slots=True)
class Signs:
    """How a step that held and one that did not are marked."""

    held: str
    failed: str
    stopped: str
    heading: str


PLAIN = Signs(held="[ok]", failed="[FAILED]", stopped="[stopped]", heading="--")


class Show:
    """Writes to a terminal with ticks and colour, to anything else in plain ASCII."""

    def __init__(self, stream: TextIO, *, plain: bool) -> None:
        self._stream = stream
        self._signs = PLAIN
        if not plain:
            self._signs = Signs(
                held=click.style("✓", fg="green", bold=True),
                failed=click.style("✗", fg="red", bold=True),
                stopped="■",
                heading="●",
            )
        self._plain = plain

    @classmethod
    def on(cls, stream: TextIO) -> "Show":
        """Plain where the stream is no terminal, can not write ticks, or NO_COLOR is set (no-color.org)."""
        encodes = (stream.encoding or "").lower().replace("-", "") == "utf8"
        return cls(stream, plain=not stream.isatty() or not encodes or bool(os.environ.get("NO_COLOR")))

    def say(self, text: str = "") -> None:
        click.echo(text, file=self._stream)

    def heading(self, text: str) -> None:
        self.say(f"{self._signs.heading} {text if self._plain else click.style(text, bold=True)}")

    @contextmanager
    def step(self, title: str) -> Iterator[list[str]]:
        """The lines that the step appends stand below its title once it is over."""
        began = time.monotonic()
        lines: list[str] = []
        if not self._plain:
            click.echo(f"  {title} ...", file=self._stream, nl=False)
        sign = self._signs.held
        try:
            yield lines
        except KeyboardInterrupt:
            sign = self._signs.stopped
            raise
        except BaseException:
            sign = self._signs.failed
            raise
        finally:
            start = "" if self._plain else "\r\x1b[2K"
            self.say(f"{start}{sign} {title} ({time.monotonic() - began:.1f} s)")
            for line in lines:
                self.say(f"     {line}")


def show_for(*, as_json: bool) -> Show:
    """With --json the words go to stderr, so that stdout has the document only."""
    return Show.on(sys.stderr if as_json else sys.stdout)
