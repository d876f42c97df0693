from kms.log.rounds.backoff import Backoff


def test_waits_double_up_to_a_bound_and_begin_again_after_a_success() -> None:
    backoff = Backoff()
    waits = [backoff.failed() for _ in range(9)]
    assert waits[:4] == [0.1, 0.2, 0.4, 0.8]
    assert waits[-2:] == [5.0, 5.0]
    backoff.succeeded()
    assert backoff.failed() == 0.1
