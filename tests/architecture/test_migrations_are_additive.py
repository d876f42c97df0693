"""Replicas of two releases run on one database while they are upgraded: the old code must go on with the new tables."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSIONS = sorted((Path(__file__).resolve().parents[2] / "kms" / "migrations" / "versions").glob("[0-9]*.py"))
FORBIDDEN = {"drop_table", "drop_column", "drop_constraint", "rename_table"}
"""drop_index is allowed: an index is not seen by code."""
# Before the first release that is upgraded with clients connected. Each with its reason.
EARLIER = {
    "0002_keys_with_a_life.py": "made a column longer, which every release can write",
    "0010_log_keys.py": "a column is NOT NULL after all rows were given a value; releases before had one log",
    "0012_events.py": "the feeds of events replaced the one feed of revocations, before there were replicas to upgrade",
}


def _calls(path: Path) -> Iterator[ast.Call]:
    for function in ast.walk(ast.parse(path.read_text())):
        if isinstance(function, ast.FunctionDef) and function.name != "downgrade":
            yield from (node for node in ast.walk(function) if isinstance(node, ast.Call))


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_true(call: ast.Call, argument: str) -> bool | None:
    """None: not given."""
    found = next((keyword.value for keyword in call.keywords if keyword.arg == argument), None)
    return found.value if isinstance(found, ast.Constant) else None


def _only_allows_null(call: ast.Call) -> bool:
    changed = {keyword.arg for keyword in call.keywords if not str(keyword.arg).startswith("existing_")}
    return changed == {"nullable"} and _is_true(call, "nullable") is True


def problems(source: Path) -> list[str]:
    """What an older release would stumble over."""
    found = []
    for call in _calls(source):
        if _name(call) in FORBIDDEN:
            found.append(f"{_name(call)} in line {call.lineno}")
        if _name(call) == "alter_column" and not _only_allows_null(call):
            found.append(f"alter_column in line {call.lineno}")
        if _name(call) == "add_column":
            columns = [node for node in ast.walk(call) if isinstance(node, ast.Call) and _name(node) == "Column"]
            for column in columns:
                has_default = any(keyword.arg == "server_default" for keyword in column.keywords)
                if _is_true(column, "nullable") is False and not has_default:
                    found.append(f"a NOT NULL column without server_default in line {column.lineno}")
    return found


@pytest.mark.parametrize("path", VERSIONS, ids=lambda path: path.name)
def test_a_migration_takes_nothing_from_the_release_before(path: Path) -> None:
    if path.name in EARLIER:
        assert problems(path), "it is additive: take it off the list"
    else:
        assert not problems(path), "add beside it, and take the old away in a release that nobody upgrades to from here"


@pytest.mark.parametrize(
    "line",
    [
        "op.drop_table('key')",
        "batch.drop_column('name')",
        "op.alter_column('key', 'name', nullable=False)",
        "op.alter_column('key', 'name', new_column_name='id')",
        "op.rename_table('key', 'keys')",
        "op.add_column('key', sa.Column('x', sa.Integer, nullable=False))",
        "batch.add_column(sa.Column('x', sa.Integer(), nullable=False))",
    ],
)
def test_what_is_not_additive_is_found(line: str, tmp_path: Path) -> None:
    source = tmp_path / "0099_x.py"
    source.write_text(f"def upgrade() -> None:\n    {line}\n\ndef downgrade() -> None:\n    pass\n")
    assert problems(source)


def test_what_is_additive_is_let_through(tmp_path: Path) -> None:
    source = tmp_path / "0099_x.py"
    lines = (
        "def upgrade() -> None:",
        "    op.add_column('key', sa.Column('x', sa.Integer, nullable=False, server_default='0'))",
        "    op.add_column('key', sa.Column('y', sa.Integer))",
        "    op.alter_column('key', 'name', existing_type=sa.Integer(), nullable=True)",
        "    op.create_table('z', sa.Column('x', sa.Integer, nullable=False))",
        "def downgrade() -> None:",
        "    op.drop_table('z')",
    )
    source.write_text("\n".join(lines))
    assert not problems(source)
