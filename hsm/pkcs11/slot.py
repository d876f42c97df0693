"""A place in the pool: the signer process that runs in it, and what is known of those before."""

import asyncio

from hsm.errors import HsmError
from hsm.slot_health import SlotHealth, SlotState

from .process import SignerProcess


class Slot:
    """`failure` is set while nothing runs in it; `last_problem` stays."""

    def __init__(self) -> None:
        self.process: SignerProcess | None = None
        self.failure: HsmError | None = None
        self.task: asyncio.Task[None] | None = None
        self.starts = 0
        self.probe_ms: float | None = None
        self.last_problem: HsmError | None = None

    def health(self, number: int) -> SlotHealth:
        process, problem = self.process, self.last_problem
        state = SlotState.READY if process is not None else SlotState.FAILED if self.failure else SlotState.STARTING
        return SlotHealth(
            number=number,
            state=state,
            process_id=process.pid if process is not None else None,
            starts=self.starts,
            waiting=process.items if process is not None else 0,
            probe_ms=self.probe_ms,
            problem=f"{problem.code}: {problem}" if problem is not None else None,
        )
