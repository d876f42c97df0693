import pytest

from hallmark_client.backoff import full_jitter


@pytest.mark.parametrize(("failures", "longest"), [(1, 0.1), (2, 0.2), (3, 0.4), (5, 1.0), (10_000, 1.0)])
def test_the_longest_wait_doubles_up_to_the_ceiling(failures: int, longest: float) -> None:
    assert full_jitter(failures, first_seconds=0.1, ceiling_seconds=1.0, jitter=lambda: 1.0) == longest
    assert full_jitter(failures, first_seconds=0.1, ceiling_seconds=1.0, jitter=lambda: 0.5) == longest / 2
    assert full_jitter(failures, first_seconds=0.1, ceiling_seconds=1.0, jitter=lambda: 0.0) == 0
