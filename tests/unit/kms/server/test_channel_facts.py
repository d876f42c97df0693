"""Facts about keys are read again after a call that changes some."""

import pytest

from kms.server.channel_facts import ForgetsChangedKeys
from unit.kms.server.channel_bench import entry_of, make_call


@pytest.mark.parametrize(
    ("name", "forgets"),
    [("UpdateKey", True), ("SetAlias", True), ("DeleteAlias", True), ("CreateKey", True), ("GetKey", False)],
)
@pytest.mark.parametrize("outcome", ["OK", "DEADLINE_EXCEEDED"])
def test_what_changes_keys_is_known(name: str, forgets: bool, outcome: str) -> None:
    told: list[str] = []
    observer = ForgetsChangedKeys(lambda: told.append(name))
    entry = entry_of(make_call(method=f"/hallmark.v1.KeyService/{name}"))
    observer.admitted(entry, {})
    assert not told
    observer.finished(entry, outcome, "")
    assert bool(told) is forgets
