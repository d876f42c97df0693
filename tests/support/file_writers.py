"""Every function of kms that opens a file for writing, found in its source. Commands of people (kms.cli) are left out."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import kms

_ROOT: Final = Path(kms.__file__).parent
_NOT_AT_RUNTIME: Final = {"migrations", "cli"}
_WRITES: Final = {"write_text", "write_bytes", "touch", "symlink_to"}
_OPENS: Final = {"open", "fdopen"}
_FLAGS: Final = ("O_WRONLY", "O_RDWR", "O_CREAT")


def file_writers() -> set[str]:
    """Module and qualified name of each."""
    found = set()
    for path in sorted(_ROOT.rglob("*.py")):
        inside = path.relative_to(_ROOT).with_suffix("").parts
        if inside[0] not in _NOT_AT_RUNTIME:
            tree = ast.parse(path.read_text())
            found |= {".".join(("kms", *inside, name)) for name, node in _functions(tree, "") if _opens_to_write(node)}
    return found


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.AST]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _functions(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{prefix}{child.name}", child


def _opens_to_write(function: ast.AST) -> bool:
    return any(isinstance(node, ast.Call) and _is_for_writing(node) for node in ast.walk(function))


def _is_for_writing(call: ast.Call) -> bool:
    name = ast.unparse(call.func).rpartition(".")[2]
    if name in _WRITES:
        return True
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    modes = [each.value for each in arguments if isinstance(each, ast.Constant) and isinstance(each.value, str)]
    flags = [ast.unparse(each) for each in arguments]
    return name in _OPENS and (
        any(set(mode) <= set("rwaxbt+") and set(mode) & set("wax+") for mode in modes)
        or any(flag in text for text in flags for flag in _FLAGS)
    )
