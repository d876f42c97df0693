from kms.core.turns import ends_turn


def test_single_calls_give_no_turn_away_and_batches_give_many() -> None:
    assert not ends_turn(0)
    assert [number for number in range(32) if ends_turn(number)] == [7, 15, 23, 31]
