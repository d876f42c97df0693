"""One logical call: a deadline over all attempts, retries that keep the request, answers turned into results."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeVar

from hallmark_client.backoff import full_jitter
from hallmark_client.errors import HallmarkError, Internal, Unavailable
from hallmark_client.names import Names
from hallmark_client.rpc import Request, Response, Rpc
from hallmark_client.system import System
from hallmark_client.transport import Transport

Answer = TypeVar("Answer")

_FIRST_SECONDS: Final = 0.05
_CEILING_SECONDS: Final = 1.0
_HSM_ATTEMPTS: Final = 3
"""A token that is lost or whose PIN is locked seldom comes back within one deadline: say so soon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What every part of the client calls through. timeout_seconds: of a logical call, all attempts together."""

    transport: Transport
    names: Names
    timeout_seconds: float
    system: System

    def __call__(self, rpc: Rpc[Request, Response], request: Request, read: Callable[[Response], Answer]) -> Answer:
        """Make the call and read its answer. Raises HallmarkError only.

        UNAVAILABLE is retried with the very same request, so with the same request_id: an act whose answer was lost is
        answered, not repeated (AIP-155, AIP-194).
        """
        response = self._repeat(lambda left: self.transport.unary(rpc, request, left), self.timeout_seconds)
        return _read(rpc, response, read)

    def upload(
        self,
        rpc: Rpc[Request, Response],
        requests: Callable[[], Iterator[Request]],
        read: Callable[[Response], Answer],
        *,
        timeout_seconds: float,
        repeatable: bool,
    ) -> Answer:
        """The same for requests that stream; `requests` begins them anew for each attempt, where that is possible.

        Raises what `requests` raises, too.
        """

        def send(left: float) -> Response:
            return self.transport.upload(rpc, requests(), left)

        response = self._repeat(send, timeout_seconds) if repeatable else send(timeout_seconds)
        return _read(rpc, response, read)

    def _repeat(self, send: Callable[[float], Response], timeout_seconds: float) -> Response:
        deadline = self.system.monotonic() + timeout_seconds
        failures = 0
        while True:
            try:
                return send(max(0.0, deadline - self.system.monotonic()))
            except Unavailable as error:
                failures += 1
                delay = self._delay(error, failures)
                if delay is None or self.system.monotonic() + delay >= deadline:
                    raise
                self.system.sleep(delay)

    def request_id(self, given: str | None) -> str:
        """The caller's, or a new UUID: one for each logical call."""
        return self.system.request_id() if given is None else given

    def _delay(self, error: Unavailable, failures: int) -> float | None:
        """Seconds to wait before the next attempt; None when there should be none."""
        if self.transport.closed or (error.reason == "HSM_UNAVAILABLE" and failures >= _HSM_ATTEMPTS):
            return None
        jittered = full_jitter(
            failures, first_seconds=_FIRST_SECONDS, ceiling_seconds=_CEILING_SECONDS, jitter=self.system.jitter
        )
        return max(jittered, error.retry_after_seconds or 0.0)


def _read(rpc: Rpc[Request, Response], response: Response, read: Callable[[Response], Answer]) -> Answer:
    try:
        return read(response)
    except HallmarkError:
        raise
    except (ValueError, OverflowError) as error:  # a time or number outside what it can mean
        raise Internal("ANSWER_INVALID", f"the answer to {rpc.name} makes no sense: {error}") from error
