"""What an owner may decide."""

from datetime import timedelta

import pytest

from kms.core.errors import FailedPrecondition, InvalidArgument, Reason
from kms.keys.policies import ExportPolicy, KeySettings, RotationPolicy, check_lead
from support.clock import START

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("field", "rotation"),
    [
        ("rotation.period", {"period": HOUR - timedelta(seconds=1)}),
        ("rotation.period", {"period": timedelta(days=2000)}),
        ("rotation.publish_lead", {"period": 2 * DAY, "publish_lead": DAY + timedelta(seconds=1)}),
        ("rotation.publish_lead", {"publish_lead": timedelta(days=400)}),
        ("rotation.publish_lead", {"publish_lead": -HOUR}),
        ("rotation.verify_tail", {"verify_tail": -HOUR}),
        ("rotation.period", {"period": HOUR + timedelta(microseconds=1)}),
    ],
)
def test_a_rotation_outside_its_bounds_is_refused_by_its_field(field: str, rotation: dict[str, timedelta]) -> None:
    with pytest.raises(InvalidArgument) as refused:
        RotationPolicy(**rotation)
    assert refused.value.field == field


def test_the_next_rotation_leaves_room_for_its_lead() -> None:
    assert RotationPolicy(period=10 * DAY, publish_lead=3 * DAY).next_after(START) == START + 7 * DAY
    assert RotationPolicy().next_after(START) is None


@pytest.mark.parametrize("wait", [DAY - timedelta(seconds=1), 121 * DAY])
def test_the_waiting_period_has_bounds(wait: timedelta) -> None:
    with pytest.raises(InvalidArgument):
        KeySettings(destroy_wait=wait)


def test_a_lead_on_demand_has_bounds() -> None:
    assert check_lead(timedelta(0)) == timedelta(0)
    for lead in (-HOUR, 400 * DAY):
        with pytest.raises(InvalidArgument):
            check_lead(lead)


def test_export_is_only_ever_made_stricter() -> None:
    never, wrapped = ExportPolicy.NEVER, ExportPolicy.WRAPPED
    assert [wrapped.tightened_to(wrapped), wrapped.tightened_to(never), never.tightened_to(never)] == [
        wrapped,
        never,
        never,
    ]
    with pytest.raises(FailedPrecondition) as refused:
        never.tightened_to(wrapped)
    assert refused.value.reason is Reason.EXPORT_FORBIDDEN
