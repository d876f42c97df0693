"""The table at the end of `make test-fault` tells what is lost."""

from support.deployment_recovery import fault_row, table


def test_rows_of_one_fault_are_joined_and_losses_added_up() -> None:
    rows = [
        fault_row("killed", calls=100, lost=0, recovery=[1.0, 3.0]),
        fault_row("killed", calls=20, lost=2, recovery=[9.0]),
        fault_row("attacked", calls=7, lost=None),
    ]
    lines = table(rows)
    assert [line.split() for line in lines[1:4]] == [
        ["FAULT", "TIMES", "CALLS", "LOST", "RECOVERY", "s", "WORST", "s"],
        ["attacked", "1", "7", "-", "-", "-"],
        ["killed", "3", "120", "2", "5.50", "9.00"],
    ]
    assert lines[-1] == "faults of a deployment: 2 kinds, lost = 2"
    assert table([]) == []
