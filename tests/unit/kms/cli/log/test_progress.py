import sys

import pytest

from kms.cli.log.progress import Bar, duration, progress


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59.4, "59 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (7500, "2 h 5 min")]
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_speed_and_remaining_time_are_those_of_this_run(capsys) -> None:
    """It goes on at 1,000: one second later 3,000 are done, so 2,000 a second."""
    now = iter([0.0, 0.0, 1.0, 1.1, 3.0])
    bar = Bar("verified", lambda: next(now))
    bar.show(1000, 9000)
    bar.show(3000, 9000)
    bar.show(3001, 9000)  # too soon
    bar.show(9000, 9000)
    shown = capsys.readouterr().err
    assert "3,000 of 9,000 entries verified, 2,000/s, 3 s left" in shown
    assert "3,001" not in shown
    assert shown.endswith("\n")


def test_without_a_terminal_there_is_none() -> None:
    assert not sys.stderr.isatty()
    assert progress("verified") is None
