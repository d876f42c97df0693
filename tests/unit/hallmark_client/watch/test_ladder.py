import grpc
import pytest

from hallmark_client.errors import TransportRefused, Unavailable
from hallmark_client.testing import refusal
from hallmark_client.watch.ladder import Ladder, Rung

LOST = Unavailable("UNREACHABLE", "nobody")


def ladder(*, jitter: float = 1.0, **more) -> Ladder:
    return Ladder(**{"best": Rung.STREAM, "worst": Rung.FILES, "jitter": lambda: jitter, **more})


def fail(steps: Ladder, times: int, now: float = 0.0) -> list[float]:
    return [steps.failed(LOST, now) for _ in range(times)]


def test_three_failures_lead_one_rung_down() -> None:
    steps = ladder()
    fail(steps, 2)
    assert steps.rung is Rung.STREAM
    fail(steps, 1)
    assert steps.rung is Rung.POLL
    fail(steps, 3)
    assert steps.rung is Rung.FILES


def test_waits_grow_to_five_minutes_and_not_beyond() -> None:
    assert fail(ladder(), 12) == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]
    assert fail(ladder(jitter=0.0), 12) == [0] * 12


def test_success_begins_anew() -> None:
    steps = ladder()
    fail(steps, 2)
    steps.succeeded()
    assert fail(steps, 2) == [1, 2]
    assert steps.rung is Rung.STREAM


def test_a_refusal_leads_to_the_files_at_once() -> None:
    for error in (
        refusal(grpc.StatusCode.PERMISSION_DENIED, "DEVICE_REVOKED", "no"),
        refusal(grpc.StatusCode.UNAUTHENTICATED, "UNKNOWN", "no"),
    ):
        steps = ladder()
        steps.failed(error, 0)
        assert steps.rung is Rung.FILES
    steps = ladder()
    steps.failed(TransportRefused("TRANSPORT_REFUSED", "no"), 0)
    assert steps.rung is Rung.STREAM, "a server that dies amid a handshake looks the same"
    steps.failed(TransportRefused("TRANSPORT_REFUSED", "no"), 0)
    assert steps.rung is Rung.FILES
    steps = ladder(worst=Rung.POLL)
    steps.failed(refusal(grpc.StatusCode.PERMISSION_DENIED, "DEVICE_REVOKED", "no"), 0)
    assert steps.rung is Rung.POLL


def test_the_best_is_tried_again_later_and_later() -> None:
    """While the rung below works: 5 minutes, then twice as long each time, an hour at most."""
    steps, now, waits = ladder(), 0.0, []
    fail(steps, 3)
    for _ in range(6):
        steps.succeeded()
        wait = steps.until_climb(now)
        waits.append(wait)
        now += wait
        assert steps.choose(now) is Rung.STREAM
        steps.failed(LOST, now)
        assert steps.rung is Rung.POLL
    assert waits == [30, 60, 120, 240, 480, 960]


def test_a_climb_that_holds_stays() -> None:
    steps = ladder()
    fail(steps, 3)
    assert steps.choose(300) is Rung.STREAM
    steps.succeeded()
    fail(steps, 2)
    assert steps.rung is Rung.STREAM
    assert steps.until_climb(0) == float("inf")


def test_where_nothing_answers_it_goes_round() -> None:
    steps, seen = ladder(), []
    for _ in range(12):
        seen.append(steps.choose(0.0))
        steps.failed(LOST, 0.0)
    one_round = [Rung.STREAM, Rung.POLL, Rung.FILES]
    assert seen == [Rung.STREAM] * 3 + [Rung.POLL] * 3 + [Rung.FILES] + one_round + [Rung.STREAM, Rung.POLL]


@pytest.mark.parametrize(("asked", "waited"), [(7.0, 7.0), (1e9, 300.0)])
def test_a_server_may_ask_for_five_minutes_at_most(asked: float, waited: float) -> None:
    error = refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", "slowly", retry_after_seconds=asked)
    assert ladder().failed(error, 0) == waited
