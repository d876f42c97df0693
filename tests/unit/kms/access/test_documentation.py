"""Every policy in docs/access.md is good for this server, and can be activated."""

import re
from pathlib import Path

import pytest

from kms.access.actions import READERS
from unit.kms.access.bench import AccessBench

DOCUMENT = (Path(__file__).resolve().parents[4] / "docs" / "access.md").read_text()
POLICIES = re.findall(r"```cedar\n(.*?)```", DOCUMENT, re.DOTALL)


def test_there_are_some() -> None:
    assert len(POLICIES) >= 5


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.split('"')[1] + str(len(policy)))
async def test_a_policy_of_the_documentation(bench: AccessBench, policy: str) -> None:
    name = (await bench.set(policy)).policy.name
    await bench.activate(name)


def test_the_readers_are_those_of_the_table() -> None:
    sentence = DOCUMENT[DOCUMENT.index("May read means") :].partition("\n\n")[0]
    for actions in READERS.values():
        for action in actions:
            assert action.partition(".")[2] in sentence
