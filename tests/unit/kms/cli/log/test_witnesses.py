from collections.abc import Iterator
from pathlib import Path

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.vkey import KeyType
from support import witnesses
from support.witnesses import LoopbackWitness, policy_text, running
from unit.hallmark_tlog.virtual_log import LOG_VKEYS, ORIGIN, VirtualLog
from unit.kms.cli.log.published import publish


@pytest.fixture
def public(tmp_path: Path) -> Path:
    return publish(VirtualLog.of_size(300), tmp_path / "public")


@pytest.fixture
def asked() -> Iterator[tuple[LoopbackWitness, LoopbackWitness, LoopbackWitness]]:
    """The second one has seen the log at size 7."""
    made = LoopbackWitness("a"), LoopbackWitness("b", KeyType.ML_DSA_44), LoopbackWitness("c")
    for witness in made:
        witness.trusts(list(LOG_VKEYS))
    made[1].latest[ORIGIN] = VirtualLog.of_size(300).at(7)
    with running(*made):
        yield made


@pytest.fixture
def arguments(asked, public: Path, tmp_path: Path) -> tuple[object, ...]:
    policy = tmp_path / "witnesses.policy"
    policy.write_text(policy_text(*asked, quorum=2))
    return ("log", "witnesses", "--public", public, "--policy", policy, "--timeout", "1")


def test_everybody_cosigns(hallmark, asked, arguments) -> None:
    found = hallmark(*arguments, "--json").document
    assert (found["quorum_reached"], found["missing"]) == (True, [])
    assert [witness["cosigns"] for witness in found["witnesses"]] == [True, True, True]
    assert asked[1].statuses == [409, 200]
    told = hallmark(*arguments)
    assert told.code == 0
    assert "The quorum is reached" in told.out


def test_each_is_told_with_what_to_do(hallmark, asked, arguments) -> None:
    asked[0].trusted.clear()
    asked[2].stop()
    told = hallmark(*arguments)
    assert told.code == 1
    assert "unknown_log" in told.out
    assert "hallmark log keys" in told.out
    assert "refused" in told.out
    assert "NOT reached without a-0 or c-0" in told.out


def test_a_fork_is_named(hallmark, asked, arguments) -> None:
    asked[0].latest[ORIGIN] = Checkpoint(ORIGIN, 7, b"x" * 32)
    asked[2].send = witnesses.claims(10**6)
    found = hallmark(*arguments, "--json")
    assert found.code == 1
    says = [witness["says"] for witness in found.document["witnesses"]]
    assert "it has seen another tree of this log" in says[0]
    assert "1000000" in says[2]


def test_lines_of_an_answer_that_do_not_verify_count_for_nothing(hallmark, asked, arguments) -> None:
    for witness in asked[:2]:
        witness.send = witnesses.spoilt
    found = hallmark(*arguments, "--json")
    assert found.code == 1
    assert [witness["cosigns"] for witness in found.document["witnesses"]] == [False, False, True]


@pytest.mark.parametrize("text", ["quorum w\n", "quorum none\n"])
def test_a_policy_that_is_of_no_use_ends_2(hallmark, public: Path, tmp_path: Path, text: str) -> None:
    policy = tmp_path / "witnesses.policy"
    policy.write_text(text)
    refused = hallmark("log", "witnesses", "--public", public, "--policy", policy)
    assert refused.code == 2
    assert "witnesses.policy" in refused.err
