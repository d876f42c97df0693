"""Runs the pure verification of evidence beside the event loop: it is CPU work, some milliseconds for each call."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Protocol

from attestation.model import Anchors, Collateral, Evidence, Expectation, Verdict
from attestation.policy import Policy
from attestation.status import StatusList
from attestation.verify import verify
from kms.core.errors import Reason, ResourceExhausted

WAITING_MAX = 64


class StatusSource(Protocol):
    """Where the vendor's revocation list comes from: kms.devices.status, or nothing at all."""

    def current(self) -> StatusList | None:
        """The last good list with the time it was fetched; how old is too old is the policy's matter. Never waits."""


class NoStatus:
    """No list is configured."""

    def current(self) -> StatusList | None:
        return None


class Verifier:
    """One thread for all evidence, so that a flood of it leaves the rest of the service its processor."""

    def __init__(self, *, anchors: Anchors, policy: Policy, status: StatusSource) -> None:
        self._anchors = anchors
        self._policy = policy
        self._status = status
        self._waiting = 0
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="attestation")

    async def judge(self, evidence: Evidence, expectation: Expectation, *, now: datetime) -> Verdict:
        """Raises ResourceExhausted/QUEUE_FULL when too many are waiting."""
        if self._waiting >= WAITING_MAX:
            raise ResourceExhausted(
                Reason.QUEUE_FULL, "too much evidence is waiting to be judged; retry", retry_after_seconds=1
            )
        collateral = Collateral(android_status=self._status.current())
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(
                self._executor,
                lambda: verify(
                    evidence,
                    expectation=expectation,
                    anchors=self._anchors,
                    collateral=collateral,
                    policy=self._policy,
                    at=now,
                ),
            )
        finally:
            self._waiting -= 1

    def close(self) -> None:
        self._executor.shutdown(cancel_futures=True)
