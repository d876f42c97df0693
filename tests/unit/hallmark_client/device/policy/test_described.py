"""docs/device-policy.md shows what is so."""

import re
from pathlib import Path

import pytest

from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.policy.spelling import _CLAUSES
from hallmark_client.model.consents import ArtifactKind

TEXT = (Path(__file__).parents[5] / "docs" / "device-policy.md").read_text()


def block(language: str) -> str:
    return re.search(rf"```{language}\n(.*?)```", TEXT, re.DOTALL)[1]


def test_the_example_makes_the_document_that_is_shown() -> None:
    names: dict = {}
    exec(block("python"), names)
    document = block("json").removesuffix("\n").encode()
    assert names["policy"].to_bytes() == document
    assert VaultPolicy.parse(document) == names["policy"]


@pytest.mark.parametrize("clause", _CLAUSES)
def test_every_clause_is_in_both_tables(clause: str) -> None:
    rows = [line.split("|")[1] for line in TEXT.splitlines() if line.startswith("| ")]
    assert sum(f"`{clause}`" in row for row in rows) == 2


def test_every_kind_is_named() -> None:
    named = set(re.findall(r"`([A-Z_]+)`", TEXT[TEXT.index("A kind is one of") :]))
    assert named == {kind.value for kind in ArtifactKind} - {"UNKNOWN"}
