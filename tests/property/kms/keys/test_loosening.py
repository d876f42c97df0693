"""Which changes of settings allow more."""

from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from kms.keys.policies import KeySettings, RotationPolicy, UsageLimits, loosened
from support.clock import START

spans = st.integers(3600, 86_400 * 1000).map(lambda seconds: timedelta(seconds=seconds))
maybe = st.one_of(st.none(), spans)


@st.composite
def settings(draw: st.DrawFn) -> KeySettings:
    period = draw(maybe)
    lead = timedelta(seconds=draw(st.integers(0, 1800)))
    ends = draw(st.one_of(st.none(), spans.map(lambda span: START + span)))
    counts = st.one_of(st.none(), st.integers(1, 1000))
    return KeySettings(
        rotation=RotationPolicy(period=period, publish_lead=lead, verify_tail=draw(maybe)),
        usage_limits=UsageLimits(per_second=draw(counts), total=draw(counts), not_after=ends),
        destroy_wait=timedelta(days=draw(st.integers(1, 120))),
    )


@given(settings(), settings())
def test_what_is_loosened_one_way_is_tightened_the_other(one: KeySettings, other: KeySettings) -> None:
    there, back = set(loosened(one, other)), set(loosened(other, one))
    assert not there & back
    same_export = one.export_policy == other.export_policy
    assert bool(there or back) == (one != other and same_export)


@given(settings())
def test_no_change_loosens_nothing(given_settings: KeySettings) -> None:
    assert loosened(given_settings, given_settings) == ()


@given(settings(), settings(), settings())
def test_loosening_adds_up(one: KeySettings, two: KeySettings, three: KeySettings) -> None:
    """Whoever loosens in two steps has loosened in one, unless a step took it back."""
    assert set(loosened(one, three)) <= set(loosened(one, two)) | set(loosened(two, three))
