"""A step of a demonstration, and how it is taken."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from kms.cli.demo.show import Show
from kms.cli.demo.stage import DemoFailed
from kms.cli.failure import explain

S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class Step(Generic[S]):
    """A title, and the function that does it: it gives the lines to show, or raises."""

    title: str
    act: Callable[[S], Sequence[str]]


def take(step: Step[S], stage: S, show: Show, *, log_file: Path) -> None:
    """Raises DemoFailed, which names the step and where to look, whatever it was."""
    try:
        with show.step(step.title) as lines:
            lines.extend(step.act(stage))
    except Exception as error:
        failed = DemoFailed(f"the step {step.title!r} did not hold: {explain(error).message}")
        failed.advice = f"The server's log is {log_file}"
        raise failed from error
