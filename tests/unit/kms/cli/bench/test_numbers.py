import pytest

from kms.cli.bench.numbers import percentile


@pytest.mark.parametrize(("percent", "expected"), [(0, 1), (1, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_the_nearest_rank(percent: float, expected: int) -> None:
    assert percentile(list(range(100, 0, -1)), percent) == expected


def test_of_one_value_it_is_that_value() -> None:
    assert percentile([7.0], 99) == 7.0


def test_of_nothing_there_is_none() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)
