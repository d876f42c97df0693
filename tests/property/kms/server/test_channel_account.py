"""The arithmetic of budgets: nothing is lost, nothing counts for ever, and waiting helps when it is said to."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from kms.server.channel_account import HOURS_COUNTED, Account, hour_of
from support.clock import START

NOW = hour_of(START)
uses = st.dictionaries(st.integers(NOW - 40, NOW + 2), st.integers(1, 1000), max_size=8)


@given(uses, uses, st.booleans())
def test_storing_moves_what_was_counted_and_failing_keeps_it(
    first: dict[int, int], more: dict[int, int], ok: bool
) -> None:
    account = Account("default")
    account.count(first)
    before = account.used(NOW)
    account.begin_storing()
    assert account.used(NOW) == before
    account.count(more)
    if ok:
        account.learn(dict(first), asked=1.0, hour=NOW)
    account.end_storing(stored=ok)
    counting = {hour for hour in first.keys() | more.keys() if hour > NOW - HOURS_COUNTED}
    assert account.used(NOW) == {hour: first.get(hour, 0) + more.get(hour, 0) for hour in counting}


@given(st.lists(uses, max_size=4), st.randoms())
def test_answers_out_of_order_end_the_same(grown: list[dict[int, int]], random: object) -> None:
    totals: list[dict[int, int]] = [{}]
    for use in grown:
        totals.append({hour: totals[-1].get(hour, 0) + use.get(hour, 0) for hour in totals[-1].keys() | use.keys()})
    shuffled = list(totals)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    account = Account("default")
    for at, total in enumerate(shuffled):
        account.learn(total, asked=float(at), hour=NOW)
    assert sum(account.used(NOW).values()) == sum(n for hour, n in totals[-1].items() if hour > NOW - HOURS_COUNTED)


@given(uses, st.integers(1, 4000))
def test_after_the_wait_that_was_told_the_budget_holds_again_and_not_an_hour_before(
    moved: dict[int, int], budget: int
) -> None:
    account = Account("default")
    account.count(moved)
    wait = account.seconds_until_below(budget, START)
    spent = sum(n for hour, n in moved.items() if hour > NOW - HOURS_COUNTED)
    assert (wait > 0) is (spent >= budget)
    if wait > 0:
        assert account.seconds_until_below(budget, START + timedelta(seconds=wait)) == 0
        if wait > 3600:
            assert account.seconds_until_below(budget, START + timedelta(seconds=wait - 3600)) > 0


@given(uses)
def test_a_day_and_an_hour_later_nothing_counts(moved: dict[int, int]) -> None:
    account = Account("default")
    account.count(moved)
    assert account.used(NOW + 2 + HOURS_COUNTED) == {}
