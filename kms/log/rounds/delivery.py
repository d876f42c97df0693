"""What callers wait for: places and proofs of what they recorded or append now."""

import dataclasses
from collections.abc import Callable, Sequence

from kms.core.errors import DeadlineExceeded, Reason, Unavailable
from kms.core.steps import step
from kms.log.model import LogPromise
from kms.log.rounds.sequencer import Sequencer
from kms.log.rounds.sequencing import DirectEntry, Earlier
from kms.log.rounds.waiters import Receipts, Waiters

_TIMEOUT_SECONDS = 8.0


class Delivery:
    """Of one log. `why_unavailable`: the reason why no checkpoint can be published now, if there is a known one."""

    def __init__(
        self, sequencer: Sequencer, waiters: Waiters, why_unavailable: Callable[[], Unavailable | None]
    ) -> None:
        self._sequencer = sequencer
        self._waiters = waiters
        self._why_unavailable = why_unavailable

    async def proofs(self, event_keys: Sequence[str], *, timeout_seconds: float = _TIMEOUT_SECONDS) -> Receipts:
        """Waits until all of these committed entries are published. At least one key, each once.

        Raises Unavailable (also WITNESSES_UNAVAILABLE, SHUTTING_DOWN), DeadlineExceeded, LogFrozen.
        """
        waiter = self._waiters.begin(
            event_keys, proofs=True, timeout_seconds=timeout_seconds, late=lambda: self._late(event_keys[0])
        )
        try:
            self._sequencer.wake()
            with step("log proof"):
                return await waiter.future
        finally:
            self._waiters.end(waiter)

    async def proved(
        self, promises: Sequence[LogPromise], *, timeout_seconds: float = _TIMEOUT_SECONDS
    ) -> list[LogPromise]:
        """`proofs` for promises of committed entries, which then have them."""
        found = await self.proofs([promise.event_key for promise in promises], timeout_seconds=timeout_seconds)
        return [
            dataclasses.replace(promise, leaf_index=receipt.leaf_index, tlog_proof=receipt.tlog_proof)
            for promise in promises
            for receipt in (found[promise.event_key],)
        ]

    async def append(self, entries: Sequence[DirectEntry], *, published: bool) -> tuple[dict[str, Earlier], Receipts]:
        """See `TransparencyLog.append`."""
        keys = [entry.promise.event_key for entry in entries]
        waiter = self._waiters.begin(
            keys,
            proofs=published,
            timeout_seconds=_TIMEOUT_SECONDS,
            late=lambda: self._late(keys[0]) if pending.is_stored else _may_not_be_stored(),
            is_held=True,
        )
        try:
            pending = self._sequencer.put(entries, waiter)
            receipts = await waiter.future
            return pending.earlier, receipts
        finally:
            self._waiters.end(waiter)

    def _late(self, event_key: str) -> Exception:
        return self._why_unavailable() or DeadlineExceeded(
            Reason.DEADLINE_EXCEEDED,
            f"the act and its log entry {event_key} are committed, the checkpoint is late: ask for the "
            "inclusion proof later, or repeat the call with the same request_id",
        )


def _may_not_be_stored() -> Exception:
    return DeadlineExceeded(
        Reason.DEADLINE_EXCEEDED,
        "the log is behind, and what was to be appended may not be stored: repeat the call with the same request_id",
    )
