"""Every function of kms that writes to the database, found in its source: where a statement is made or used.

A statement is made with `table.insert()`, `.update()` or `.delete()` of a table of ours, or is SQL of our own in a
string or in a constant of the module (kms.core.direct_sql).
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import kms

_ROOT: Final = Path(kms.__file__).parent
_SQL: Final = re.compile(r"\s*(INSERT|UPDATE|DELETE|REPLACE)\s", re.IGNORECASE)
_NOT_AT_RUNTIME: Final = {"migrations", "cli"}
_MAKES_SQL: Final = "kms.core.direct_sql"


@dataclass(frozen=True, order=True)
class Writer:
    """`name`: module and qualified name. `file` and `line` are those of its code object."""

    name: str
    file: str
    line: int


def database_writers() -> dict[str, Writer]:
    """By name."""
    modules = {
        ".".join(("kms", *path.relative_to(_ROOT).with_suffix("").parts)): (path, ast.parse(path.read_text()))
        for path in sorted(_ROOT.rglob("*.py"))
        if path.relative_to(_ROOT).parts[0] not in _NOT_AT_RUNTIME
    }
    tables = {name: set(_assigned(tree, _is_table)) for name, (_, tree) in modules.items()}
    found: list[Writer] = []
    for module, (path, tree) in modules.items():
        if module != _MAKES_SQL:
            known, statements = tables[module] | _imported(tree, tables), set(_assigned(tree, _is_statement))
            found += [
                Writer(f"{module}.{qualified}", str(path), _first_line(node))
                for qualified, node in _functions(tree, "")
                if _writes(node, known, statements)
            ]
    return {writer.name: writer for writer in found}


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child


def _writes(function: ast.AST, tables: set[str], statements: set[str]) -> bool:
    for node in ast.walk(function):
        match node:
            case ast.Attribute(value=ast.Name(id=name), attr="insert" | "update" | "delete") if name in tables:
                return True
            case ast.Name(id=name) if name in statements:
                return True
            case ast.Constant(value=str(text)) if _SQL.match(text):
                return True
    return False


def _assigned(tree: ast.Module, wanted: "type[object] | object") -> Iterator[str]:
    assert callable(wanted)
    for node in tree.body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Call) and wanted(node.value):
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                if isinstance(target, ast.Name):
                    yield target.id


def _is_table(call: ast.Call) -> bool:
    return ast.unparse(call.func).rpartition(".")[2] == "Table"


def _is_statement(call: ast.Call) -> bool:
    texts = [node.value for node in ast.walk(call) if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    return ast.unparse(call.func) == "InsertMany" or any(_SQL.match(text) for text in texts)


def _imported(tree: ast.Module, tables: dict[str, set[str]]) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and node.module in tables
        for alias in node.names
        if alias.name in tables[node.module]
    }


def _first_line(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """co_firstlineno begins at the first decorator."""
    return min([function.lineno, *(decorator.lineno for decorator in function.decorator_list)])
