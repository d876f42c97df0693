"""The limits as the guard meets them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.core.call import Call, Channel
from kms.core.errors import Reason
from kms.core.identity import Caller, Role
from kms.server.identity import spiffe_id
from kms.server.limits import CallLimit, Limits, RateLimit, StreamLimit
from kms.tenants.exceeded import LimitExceeded
from kms.tenants.model import Quotas
from support.clock import START, FakeClock

NONE = Quotas()


def call(name: str = "a", tenant: str = "acme", role: Role = Role.BACKEND) -> Call:
    caller = Caller(spiffe_id("hallmark.test", tenant, role, name), tenant, role, name)
    return Call("id", "method", caller, Channel("peer", "TLSv1.3", "X25519MLKEM768"), START)


def limits(*, rate: float = 1_000, per_caller: int = 4, calls: int = 16, streams: int = 4) -> Limits:
    return Limits(
        RateLimit(rate, FakeClock(), device_rate_per_second=10),
        StreamLimit(per_caller=2, total=streams),
        CallLimit(per_caller=per_caller, total=calls),
    )


def refusal(work: Any, *arguments: Any) -> LimitExceeded:
    with pytest.raises(LimitExceeded) as refused:
        work(*arguments)
    assert refused.value.retry_after_seconds
    assert refused.value.limit.subject
    return refused.value


def test_the_calls_of_a_caller() -> None:
    some = limits()
    for _ in range(4):
        some.enter(call(), 1, NONE)
    error = refusal(some.enter, call(), 1, NONE)
    assert (error.reason, error.limit.value) == (Reason.TOO_MANY_CALLS, 4)
    assert error.limit.subject == "caller:spiffe://hallmark.test/tenants/acme/backend/a"
    some.leave(call())
    some.enter(call(), 1, NONE)
    assert some.calls == 4


def test_the_calls_and_streams_of_a_tenant() -> None:
    some, quotas = limits(), Quotas(concurrency=2, streams=1)
    some.enter(call("a"), 1, quotas)
    some.enter(call("b"), 1, quotas)
    error = refusal(some.enter, call("c"), 1, quotas)
    assert (error.reason, error.limit.subject, error.limit.value) == (Reason.TOO_MANY_CALLS, "tenant:acme", 2)
    some.enter_stream(call("a"), 1, quotas)
    error = refusal(some.enter_stream, call("b"), 1, quotas)
    assert (error.reason, error.limit.subject, error.limit.value) == (Reason.TOO_MANY_STREAMS, "tenant:acme", 1)
    some.enter(call("a", "other"), 1, NONE)


def test_a_busy_server_tells_no_number() -> None:
    some = limits(calls=16, per_caller=100)
    for number in range(14):
        some.enter(call(f"b{number}"), 1, NONE)
    error = refusal(some.enter, call("late"), 1, NONE)
    assert (error.reason, error.limit.value, error.metadata) == (
        Reason.QUEUE_FULL,
        None,
        {"limit": "concurrency-of-server"},
    )
    assert "14" not in error.message
    assert error.limit.subject.startswith("caller:")


def test_streams_of_a_caller_and_of_all() -> None:
    some = limits(streams=3)
    some.enter_stream(call("a"), 1, NONE)
    some.enter_stream(call("a"), 1, NONE)
    assert "this identity" in refusal(some.enter_stream, call("a"), 1, NONE).message
    some.enter_stream(call("b", "other"), 1, NONE)
    error = refusal(some.enter_stream, call("c", "third"), 1, NONE)
    assert ("the server" in error.message, error.limit.value) == (True, None)
    assert some.streams == 3
    some.leave_stream(call("a"))
    some.enter_stream(call("c", "third"), 1, NONE)


def test_a_stream_does_not_begin_at_a_server_that_is_full() -> None:
    some = limits(calls=2, per_caller=2)
    some.enter(call("a"), 1, NONE)
    some.enter(call("b", "other"), 1, NONE)
    assert refusal(some.enter_stream, call("c", "third"), 1, NONE).reason is Reason.QUEUE_FULL


def test_messages_of_a_stream_wait_for_their_tokens_those_of_the_tenant_too() -> None:
    some = limits(rate=10)
    assert some.wait_seconds(call(), 8, Quotas(rate_per_second=9)) == 0
    assert some.wait_seconds(call("b"), 8, Quotas(rate_per_second=9)) == pytest.approx(7 / 9)
    assert some.wait_seconds(call("phone", role=Role.DEVICE), 10, NONE) == 0


def test_who_is_refused_for_the_rate_holds_no_place() -> None:
    some = limits(rate=1)
    some.enter(call(), 1, NONE)
    assert refusal(some.enter, call(), 1, NONE).reason is Reason.RATE_LIMITED
    assert refusal(some.enter_stream, call(), 1, NONE).reason is Reason.RATE_LIMITED
    assert (some.calls, some.streams) == (1, 0)


_acts = st.lists(
    st.tuples(
        st.sampled_from(("enter", "enter_stream", "leave", "leave_stream")),
        st.integers(0, 4),
        st.integers(0, 2),
        st.sampled_from((1.0, 5.0, 400.0)),
    ),
    max_size=120,
)


@given(_acts, st.integers(0, 6), st.integers(0, 3))
def test_any_order_of_entering_refusals_and_leaving_ends_at_zero(acts: Any, concurrency: int, streams: int) -> None:
    some, quotas = limits(), Quotas(rate_per_second=500, concurrency=concurrency, streams=streams)
    inside: dict[str, list[Call]] = {"leave": [], "leave_stream": []}
    for act, name, tenant, cost in acts:
        if act.startswith("leave"):
            if inside[act]:
                getattr(some, act)(inside[act].pop())
            continue
        who = call(f"n{name}", f"t{tenant}")
        try:
            getattr(some, act)(who, cost, quotas)
        except LimitExceeded:
            pass
        else:
            inside[act.replace("enter", "leave")].append(who)
        assert (some.calls, some.streams) == (len(inside["leave"]), len(inside["leave_stream"]))
    for act, calls in inside.items():
        for who in calls:
            getattr(some, act)(who)
    assert (some.calls, some.streams) == (0, 0)
    assert not some._calls.holders
    assert not some._streams.holders
