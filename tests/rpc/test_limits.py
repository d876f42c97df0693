"""One slow or hostile client does not starve others: whatever a hostile tenant does, every call of another tenant is
answered, and of the hostile one only what goes beyond its share is refused.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from hallmark.v1 import events_pb2, events_pb2_grpc, keys_pb2, keys_pb2_grpc, tenants_pb2, tenants_pb2_grpc
from hallmark_client import Client
from kms.core.identity import Role
from rpc.wire import Refusal, channel, fresh_id, fresh_name, read_refusal
from support.half_messages import REFUSALS, answers, half_messages, unread_answers
from support.service import RunningService, running_service
from support.tenant_identities import identity, tenant_channel, tenant_client

_CALLS_PER_CALLER, _CALLS_TOTAL, _STREAMS_PER_CALLER = 8, 64, 3
_SETTINGS = (
    f"[server]\nrate_per_second = 400\nstreams_per_caller = {_STREAMS_PER_CALLER}\nstreams_total = 40\n"
    f"[limits]\ncalls_per_caller = {_CALLS_PER_CALLER}\ncalls_total = {_CALLS_TOTAL}"
)
_OWN_CONNECTION = (("grpc.use_local_subchannel_pool", 1),)
_BIG = (("grpc.max_send_message_length", 64 * 1024 * 1024), *_OWN_CONNECTION)
_GOOD_CALLS = 20
_PATIENCE_SECONDS = 20
"""For one call of the well-behaved: as long as its client waits. That it is answered is the point, not how fast."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    with running_service(tmp_path_factory.mktemp("limits"), settings=_SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def good(guarded: RunningService) -> Iterator[tuple[Client, str]]:
    """A caller of a tenant of its own, and its key."""
    with tenant_client(guarded, "good") as client:
        yield client, client.keys.create("manifest").name


@pytest.fixture(scope="module")
def hostile_key(guarded: RunningService) -> str:
    with tenant_client(guarded, "hostile") as client:
        return client.keys.create("manifest").name


def _does_its_work(good: tuple[Client, str]) -> float:
    """Reads and signs; the longest it waited, seconds. Raises what it is refused with."""
    client, key = good
    longest = 0.0
    for number in range(_GOOD_CALLS):
        began = time.monotonic()
        if number % 2:
            client.signing.sign(key, b"an honest message")
        else:
            client.keys.get(key)
        longest = max(longest, time.monotonic() - began)
    assert longest < _PATIENCE_SECONDS
    return longest


@contextlib.contextmanager
def _connections(service: RunningService, count: int, *, name: str = "flood", each: bool = False) -> Iterator[Any]:
    """Of one hostile identity, or `each` of its own."""
    with contextlib.ExitStack() as closing:
        yield [
            closing.enter_context(
                tenant_channel(
                    service, "hostile", Role.BACKEND, f"{name}-{number}" if each else name, options=_OWN_CONNECTION
                )
            )
            for number in range(count)
        ]


def _refusals(futures: list[Any], timeout: float = 30) -> list[Refusal]:
    """Of calls that end within the time; the others are left alone."""
    deadline, found = time.monotonic() + timeout, []
    for future in futures:
        with contextlib.suppress(grpc.FutureTimeoutError, grpc.FutureCancelledError):
            error = future.exception(timeout=max(0.0, deadline - time.monotonic()))
            if isinstance(error, grpc.RpcError) and error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED:
                found.append(read_refusal(error))
    return found


def _says_enough(refusal: Refusal, subject: str) -> None:
    (violation,) = refusal.details["QuotaFailure"].violations
    assert violation.subject.startswith(subject)
    assert violation.quota_id
    assert violation.quota_metric.startswith("hallmark.v1/")
    delay = refusal.details["RetryInfo"].retry_delay
    assert delay.seconds or delay.nanos


def test_a_flood_of_cheap_calls_over_many_connections(guarded: RunningService, good, hostile_key: str) -> None:
    request = keys_pb2.GetKeyRequest(name=hostile_key)
    with _connections(guarded, 8) as flood:
        calls = [
            keys_pb2_grpc.KeyServiceStub(each).GetKey.future(request, timeout=60) for _ in range(150) for each in flood
        ]
        _does_its_work(good)
        refused = _refusals(calls)
    assert refused, "1,200 calls at once are more than 400 a second, or more than 8 at a time"
    assert {each.reason for each in refused} <= {"RATE_LIMITED", "TOO_MANY_CALLS", "QUEUE_FULL"}
    _says_enough(refused[0], "caller:spiffe://hallmark.local/tenants/hostile/backend/flood")
    for each in refused:
        assert "good" not in str(each.details)


def test_the_rate_of_a_tenant_holds_for_all_its_identities(guarded: RunningService, good) -> None:
    with channel(guarded) as operators:
        tenants_pb2_grpc.TenantServiceStub(operators).CreateTenant(
            tenants_pb2.CreateTenantRequest(
                tenant_id="small", quotas=tenants_pb2.Quotas(rate_per_second=5), request_id=fresh_id()
            ),
            timeout=20,
        )
    request = keys_pb2.ListKeysRequest(parent="tenants/small")
    with contextlib.ExitStack() as closing:
        calls = []
        for number in range(5):
            opened = closing.enter_context(tenant_channel(guarded, "small", Role.BACKEND, f"shop-{number}"))
            stub = keys_pb2_grpc.KeyServiceStub(opened)
            calls += [stub.ListKeys.future(request, timeout=30) for _ in range(6)]
        refused = _refusals(calls)
        _does_its_work(good)
    assert refused
    assert {each.reason for each in refused} == {"RATE_LIMITED"}
    _says_enough(refused[0], "tenant:small")
    assert refused[0].details["QuotaFailure"].violations[0].quota_value == 5


def test_slow_senders_with_many_identities(guarded: RunningService, good, hostile_key: str) -> None:
    """Each begins uploads that it never ends; each would hold a call until its deadline."""
    header = keys_pb2.SignStreamRequest(header=keys_pb2.SignRequest(name=hostile_key, request_id=fresh_id()))
    is_over = False

    def dawdle() -> Iterator[keys_pb2.SignStreamRequest]:
        yield header
        while not is_over:
            time.sleep(0.1)

    with _connections(guarded, 12, name="slow", each=True) as slow:
        calls = [
            keys_pb2_grpc.SigningServiceStub(each).SignStream.future(dawdle(), timeout=60)
            for each in slow
            for _ in range(_CALLS_PER_CALLER + 1)
        ]
        try:
            refused = _refusals(calls, timeout=3)
            _does_its_work(good)
        finally:
            is_over = True
            for call in calls:
                call.cancel()
    reasons = Counter(each.reason for each in refused)
    assert reasons["TOO_MANY_CALLS"], "each may have 8 in progress"
    assert reasons["QUEUE_FULL"], "and 12 identities of one tenant not 96: an eighth of 64 is never theirs"
    assert len(calls) - len(refused) <= _CALLS_TOTAL - _CALLS_TOTAL // 8
    for each in refused:
        _says_enough(each, "caller:spiffe://hallmark.local/tenants/hostile/backend/slow-")


def test_readers_that_never_read(guarded: RunningService, good) -> None:
    request = events_pb2.WatchEventsRequest(
        parent="tenants/hostile", feeds=[events_pb2.FeedStart(feed=events_pb2.FEED_GLOBAL)]
    )
    with _connections(guarded, 4, name="deaf", each=True) as deaf:
        streams = [
            events_pb2_grpc.EventServiceStub(each).WatchEvents(request, timeout=60)
            for each in deaf
            for _ in range(_STREAMS_PER_CALLER + 2)
        ]
        try:
            _does_its_work(good)
            refused = [read_refusal(stream) for stream in streams if _is_refused(stream)]
        finally:
            for stream in streams:
                stream.cancel()
    assert len(refused) == 4 * 2
    assert {each.reason for each in refused} == {"TOO_MANY_STREAMS"}
    _says_enough(refused[0], "caller:spiffe://hallmark.local/tenants/hostile/backend/deaf-")


def _is_refused(stream: Any) -> bool:
    """Asked of its first answer, which comes at once, or of its end."""
    try:
        next(stream)
    except grpc.RpcError as error:
        return error.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[no-any-return]
    return False


def test_answers_that_nobody_takes(guarded: RunningService, good) -> None:
    """Each holds its place among the caller's calls until it has left: as many are in memory, and no more."""
    folder, address = identity(guarded, "hostile", Role.BACKEND, "deaf"), str(guarded.facts["address"])
    with tenant_channel(guarded, "hostile", Role.BACKEND, "deaf", _OWN_CONNECTION) as wire:
        capabilities = keys_pb2_grpc.KeyServiceStub(wire).GetCapabilities
        capabilities(keys_pb2.GetCapabilitiesRequest(), timeout=20)
        method = "/hallmark.v1.KeyService/GetCapabilities"
        with unread_answers(address, folder, method=method, calls=2 * _CALLS_PER_CALLER):
            time.sleep(1)
            with pytest.raises(grpc.RpcError) as refused:
                capabilities(keys_pb2.GetCapabilitiesRequest(), timeout=20)
            assert read_refusal(refused.value).reason == "TOO_MANY_CALLS"
            _does_its_work(good)
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(grpc.RpcError):
                capabilities(keys_pb2.GetCapabilitiesRequest(), timeout=20)
                break
            assert time.monotonic() < deadline, "they left with the connection"
            time.sleep(0.05)


def test_messages_of_which_a_half_comes(guarded: RunningService, good) -> None:
    """They reach no limit and hold no place, however many: the hostile identity itself is still served."""
    folder = identity(guarded, "hostile", Role.BACKEND, "half")
    method = "/hallmark.v1.KeyService/ListKeys"
    with contextlib.ExitStack() as closing:
        address = str(guarded.facts["address"])
        wires = [closing.enter_context(half_messages(address, folder, method=method, calls=30)) for _ in range(10)]
        _does_its_work(good)
        kinds = answers(wires[0])
        assert kinds, "the server speaks with it"
        assert not kinds & REFUSALS, "and waits for the other half"
        with tenant_client(guarded, "hostile", Role.BACKEND, "half") as client:
            assert list(client.keys.list()) is not None


def test_big_messages(guarded: RunningService, good, hostile_key: str) -> None:
    """Above 4 MiB they are not taken; below, they cost what they weigh."""

    def sign(size: int) -> keys_pb2.SignRequest:
        return keys_pb2.SignRequest(name=hostile_key, data=bytes(size), request_id=fresh_id())

    with tenant_channel(guarded, "hostile", Role.BACKEND, "heavy", options=_BIG) as opened:
        stub = keys_pb2_grpc.SigningServiceStub(opened)
        with pytest.raises(grpc.RpcError) as too_big:
            stub.Sign(sign(5 * 1024 * 1024), timeout=30)
        assert too_big.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
        calls = [stub.Sign.future(sign(3 * 1024 * 1024), timeout=60) for _ in range(30)]
        _does_its_work(good)
        refused = _refusals(calls)
    assert refused, "48 tokens each, of 400 a second"
    assert {each.reason for each in refused} <= {"RATE_LIMITED", "TOO_MANY_CALLS", "QUEUE_FULL"}


def test_afterwards_nothing_is_held(guarded: RunningService, good, hostile_key: str) -> None:
    """All that was hostile has gone: whoever was refused may come back."""
    deadline = time.monotonic() + 30
    while True:
        with tenant_client(guarded, "hostile", Role.BACKEND, "slow-0") as client, contextlib.suppress(Exception):
            client.signing.sign(hostile_key, fresh_name().encode())
            break
        assert time.monotonic() < deadline
        time.sleep(0.2)
    _does_its_work(good)
