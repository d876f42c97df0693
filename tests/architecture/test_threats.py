"""Every threat in docs/threats.md names tests that exist."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs" / "threats.md").read_text()
ROWS = [line for line in TEXT.splitlines() if re.match(r"\| [A-Z]\d+ ", line)]
REFERENCE = re.compile(r"`(tests/[a-z0-9_/]+\.py)::([A-Za-z0-9_.]+)`")


def test_the_table_has_rows_with_numbers_of_their_own() -> None:
    numbers = [row.split()[1] for row in ROWS]
    assert len(numbers) >= 25
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.split()[1])
def test_each_row_names_tests_that_exist(row: str) -> None:
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert len(cells) == 3
    assert all(cells)
    named = REFERENCE.findall(cells[2])
    assert named
    assert not REFERENCE.sub("", cells[2]).strip(), "nothing but tests stands in the last cell"
    for file, name in named:
        tree = ast.parse((ROOT / file).read_text())
        names = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        assert name in names, f"{file} has no {name}"
