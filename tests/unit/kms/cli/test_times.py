from datetime import UTC, datetime

import click
import pytest

from kms.cli.times import MOMENT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-09-26T15:31:20Z", datetime(2025, 9, 26, 15, 31, 20, tzinfo=UTC)),
        ("2025-09-26T17:31:20+02:00", datetime(2025, 9, 26, 15, 31, 20, tzinfo=UTC)),
        ("2025-09-26", datetime(2025, 9, 26, tzinfo=UTC)),
    ],
)
def test_times_are_utc_unless_they_say_otherwise(text: str, expected: datetime) -> None:
    found = MOMENT.convert(text, None, None)
    assert found == expected
    assert found.tzinfo is not None


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="is not a time"):
        MOMENT.convert("yesterday", None, None)
