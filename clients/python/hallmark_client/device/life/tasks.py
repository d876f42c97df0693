"""What a device does by itself, each task in its own time: one failing does not hold up the others."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from hallmark_client.backoff import full_jitter
from hallmark_client.errors import HallmarkError
from hallmark_client.system import System

_logger = logging.getLogger("hallmark_client.device")

FIRST_SECONDS: Final = 1.0
CEILING_SECONDS: Final = 300.0


@dataclass(slots=True, kw_only=True)
class Task:
    """run: returns seconds until it is due again. due: by System.monotonic."""

    name: str
    run: Callable[[], float]
    due: float = 0.0
    failures: int = 0
    trouble: str = ""


@dataclass(slots=True)
class Tasks:
    """One thread runs them; any may `wake` one or read `trouble`."""

    system: System
    tasks: Mapping[str, Task] = field(default_factory=dict)

    def wake(self, name: str) -> None:
        """At the next look, whatever it waits for."""
        self.tasks[name].due = 0.0

    def run_due(self) -> float:
        """Everything that is due, in order. Returns seconds until the next one is."""
        for task in self.tasks.values():
            if task.due <= self.system.monotonic():
                self._run(task)
        return max(0.0, min(task.due for task in self.tasks.values()) - self.system.monotonic())

    def trouble(self) -> Mapping[str, str]:
        return {task.name: task.trouble for task in self.tasks.values() if task.trouble}

    def _run(self, task: Task) -> None:
        """`due` is set before the work: who wakes it meanwhile is heard."""
        task.due = float("inf")
        try:
            seconds = task.run()
        except HallmarkError as error:
            task.failures += 1
            seconds = self._delay(task, error)
            task.trouble = f"{error.reason}: {error.message}"
            _logger.info("%s failed, again in %.0f s: %s", task.name, seconds, error)
        except Exception as error:
            # A fault of ours: whoever runs us hears of it, and the task is not lost for it.
            task.trouble, task.due = f"FAULT: {error!r}", self.system.monotonic() + CEILING_SECONDS
            raise
        else:
            task.failures, task.trouble = 0, ""
        task.due = min(task.due, self.system.monotonic() + seconds)

    def _delay(self, task: Task, error: HallmarkError) -> float:
        jittered = full_jitter(
            task.failures, first_seconds=FIRST_SECONDS, ceiling_seconds=CEILING_SECONDS, jitter=self.system.jitter
        )
        return max(jittered, error.retry_after_seconds or 0.0)
