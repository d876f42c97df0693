"""Who gets in, and who gets the last of it."""

from hypothesis import given
from hypothesis import strategies as st

from kms.server.limits_slots import CallLimit, Crowded, Slots, StreamLimit


def _fill(slots: Slots, count: int, caller: str, tenant: str) -> int:
    """How many of them got in."""
    taken = 0
    for _ in range(count):
        if slots.crowded(caller, tenant) is not None:
            break
        slots.take(caller, tenant)
        taken += 1
    return taken


def test_a_caller_holds_so_many_and_no_more() -> None:
    slots = CallLimit(per_caller=3, total=100)
    assert _fill(slots, 10, "a", "acme") == 3
    assert slots.crowded("a", "acme") is Crowded.CALLER
    assert slots.crowded("b", "acme") is None
    slots.give_back("a", "acme")
    assert slots.crowded("a", "acme") is None


def test_a_tenant_holds_what_its_quotas_say() -> None:
    slots = CallLimit(per_caller=10, total=100)
    _fill(slots, 2, "a", "acme")
    assert slots.crowded("b", "acme", 2) is Crowded.TENANT
    assert slots.crowded("b", "acme", 3) is None
    assert slots.crowded("b", "other", 2) is None


def test_one_tenant_with_many_identities_leaves_room_for_others() -> None:
    slots = CallLimit(per_caller=256, total=4096)
    held = sum(_fill(slots, 256, f"bot {number}", "hostile") for number in range(1_000))
    assert held == 4096 - 4096 // 8
    assert slots.crowded("bot 5000", "hostile") is Crowded.SHARE
    assert _fill(slots, 256, "good", "acme") == 256, "it finds what it may have"


def test_when_others_come_who_holds_more_than_a_share_gets_no_more() -> None:
    slots = CallLimit(per_caller=1_000, total=1_000)
    _fill(slots, 800, "greedy", "hostile")
    assert _fill(slots, 200, "good", "acme") == 200
    for _ in range(100):
        slots.give_back("greedy", "hostile")
    assert slots.crowded("greedy", "hostile") is Crowded.SHARE, "900 are in progress, of which it has 700"
    assert slots.crowded("good", "acme") is None


def test_callers_of_a_tenant_share_its_share() -> None:
    slots = CallLimit(per_caller=1_000, total=1_000)
    assert _fill(slots, 1_000, "greedy", "acme") == 875
    slots.give_back("greedy", "acme")
    assert slots.crowded("greedy", "acme") is None
    slots.take("modest", "acme")
    slots.give_back("greedy", "acme")
    assert slots.crowded("greedy", "acme") is Crowded.SHARE, "a half of 875 is its share now"
    assert slots.crowded("modest", "acme") is None


def test_all_of_it_is_all_of_it() -> None:
    slots = StreamLimit(per_caller=2, total=3)
    assert _fill(slots, 3, "a", "acme") == 2
    assert _fill(slots, 3, "b", "acme") == 1
    assert slots.crowded("c", "other") is Crowded.SERVER
    assert slots.is_full


def test_a_device_that_reconnects_while_all_is_nearly_taken_may_hold_two_streams() -> None:
    slots = StreamLimit(per_caller=16, total=1_000)
    for number in range(900):
        slots.take(f"phone {number}", "fleet")
    assert slots.crowded("phone 7", "fleet") is None


def test_what_is_refused_is_not_counted() -> None:
    slots = StreamLimit(per_caller=1, total=2)
    slots.take("a", "acme")
    for _ in range(3):
        assert slots.crowded("a", "acme") is Crowded.CALLER
    slots.give_back("a", "acme")
    assert (slots.held, dict(slots.holders)) == (0, {})


@given(
    st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2)), max_size=200),
    st.integers(1, 5),
    st.integers(1, 30),
    st.randoms(use_true_random=False),
)
def test_whatever_the_order_nobody_holds_too_much_and_nothing_is_left(
    asked: list[tuple[int, int]], per_caller: int, total: int, random: object
) -> None:
    slots = CallLimit(per_caller=per_caller, total=total)
    open_: list[tuple[str, str]] = []
    for caller, tenant in asked:
        who = (f"{tenant}/{caller}", str(tenant))
        if slots.crowded(*who) is None:
            slots.take(*who)
            open_.append(who)
        elif open_ and random.random() < 0.5:  # type: ignore[attr-defined]
            slots.give_back(*open_.pop(random.randrange(len(open_))))  # type: ignore[attr-defined]
        assert slots.held == len(open_) <= total
        assert all(open_.count(each) <= per_caller for each in {*open_})
    for who in open_:
        slots.give_back(*who)
    assert (slots.held, dict(slots.holders)) == (0, {})
