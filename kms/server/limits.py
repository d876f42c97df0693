"""All limits of callers, tenants and the server: first of what is in progress, then of rates.

A call that is refused took nothing. Rates: limits_rates.py; what is in progress and fair shares: limits_slots.py. The
limits are those of one process. Sizes: gRPC refuses messages above kms.server.grpc_server.RECEIVE_BYTES_MAX; deadlines
stand in kms.server.policy.
"""

from kms.core.call import Call
from kms.core.errors import Reason
from kms.core.identity import Role
from kms.server.limits_rates import RateLimit
from kms.server.limits_slots import CALLS_MAX, CallLimit, Crowded, StreamLimit
from kms.tenants.exceeded import Limit, LimitExceeded
from kms.tenants.model import Quotas

__all__ = ["CALLS_MAX", "CallLimit", "Limits", "RateLimit", "StreamLimit"]

_CALL_RETRY_SECONDS = 0.5
_STREAM_RETRY_SECONDS = 30


class Limits:
    """Whoever enters leaves: `leave` once for each `enter` that did not raise, `leave_stream` for `enter_stream`."""

    def __init__(self, rate: RateLimit, streams: StreamLimit, calls: CallLimit | None = None) -> None:
        self._rate = rate
        self._streams = streams
        self._calls = calls or CallLimit()

    @property
    def calls(self) -> int:
        """In progress."""
        return self._calls.held

    @property
    def streams(self) -> int:
        """Open."""
        return self._streams.held

    def enter(self, call: Call, cost: float, quotas: Quotas) -> None:
        """A call with one answer begins. Raises LimitExceeded: then it did not begin."""
        caller, calls = call.caller, self._calls
        crowded = calls.crowded(caller.spiffe_id, caller.tenant, quotas.concurrency)
        if crowded is not None:
            raise _too_many_calls(call, crowded, calls, quotas)
        self._take_tokens(call, cost, quotas)
        calls.take(caller.spiffe_id, caller.tenant)

    def leave(self, call: Call) -> None:
        self._calls.give_back(call.caller.spiffe_id, call.caller.tenant)

    def enter_stream(self, call: Call, cost: float, quotas: Quotas) -> None:
        """A stream of answers begins. Raises as `enter` does."""
        caller, streams = call.caller, self._streams
        if self._calls.is_full:
            raise _too_many_calls(call, Crowded.SERVER, self._calls, quotas)
        crowded = streams.crowded(caller.spiffe_id, caller.tenant, quotas.streams)
        if crowded is not None:
            raise _too_many_streams(call, crowded, streams, quotas)
        self._take_tokens(call, cost, quotas)
        streams.take(caller.spiffe_id, caller.tenant)

    def leave_stream(self, call: Call) -> None:
        self._streams.give_back(call.caller.spiffe_id, call.caller.tenant)

    def wait_seconds(self, call: Call, cost: float, quotas: Quotas) -> float:
        """For one more message of a stream. 0: it was taken. Else nothing was, and after so many seconds it may be."""
        caller = call.caller
        return self._rate.wait_seconds(
            caller.spiffe_id,
            cost,
            device=caller.role is Role.DEVICE,
            tenant=caller.tenant,
            tenant_rate=quotas.rate_per_second,
        )

    def _take_tokens(self, call: Call, cost: float, quotas: Quotas) -> None:
        caller = call.caller
        self._rate.take(
            caller.spiffe_id,
            cost,
            device=caller.role is Role.DEVICE,
            tenant=caller.tenant,
            tenant_rate=quotas.rate_per_second,
        )


def _too_many_calls(call: Call, crowded: Crowded, calls: CallLimit, quotas: Quotas) -> LimitExceeded:
    reason, caller = Reason.TOO_MANY_CALLS, call.caller
    match crowded:
        case Crowded.CALLER:
            limit = Limit.of_caller(caller.spiffe_id, "calls", "concurrency-of-caller", calls.per_caller)
            sentence = f"this identity has {calls.per_caller} calls in progress, as many as it may; wait for one to end"
        case Crowded.TENANT:
            limit = Limit.of_tenant(caller.tenant, "calls", "concurrency-of-tenant", quotas.concurrency)
            sentence = f"this tenant has {quotas.concurrency} calls in progress, as many as it may; retry"
        case Crowded.SHARE | Crowded.SERVER:
            reason = Reason.QUEUE_FULL
            limit = Limit.of_caller(caller.spiffe_id, "calls", "concurrency-of-server")
            sentence = "this server is busy with other calls; retry"
    return LimitExceeded(reason, sentence, limit, retry_after_seconds=_CALL_RETRY_SECONDS)


def _too_many_streams(call: Call, crowded: Crowded, streams: StreamLimit, quotas: Quotas) -> LimitExceeded:
    caller = call.caller
    match crowded:
        case Crowded.CALLER:
            limit = Limit.of_caller(caller.spiffe_id, "streams", "streams-of-caller", streams.per_caller)
            who = "this identity"
        case Crowded.TENANT:
            limit = Limit.of_tenant(caller.tenant, "streams", "streams-of-tenant", quotas.streams)
            who = "this tenant"
        case Crowded.SHARE | Crowded.SERVER:
            limit = Limit.of_caller(caller.spiffe_id, "streams", "streams-of-server")
            who = "the server"
    sentence = f"{who} has as many streams open as it may; close one, or poll"
    return LimitExceeded(Reason.TOO_MANY_STREAMS, sentence, limit, retry_after_seconds=_STREAM_RETRY_SECONDS)
