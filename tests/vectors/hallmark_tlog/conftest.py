import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def refusal() -> Callable[..., Exception | None]:
    """Call a verifier and return what it raised, None if it accepted. Only the given error counts."""

    def call(error: type[Exception], verify: Callable[..., object], *args: object) -> Exception | None:
        try:
            verify(*args)
        except error as raised:
            return raised
        return None

    return call


@pytest.fixture(scope="session")
def tlog(vectors: Path) -> Callable[[str], Path]:
    """The path of one transparency-log vector, file or folder; a set may leave some out."""

    def find(name: str) -> Path:
        path = vectors / "tlog" / name
        if not path.exists():
            pytest.skip(f"the --vectors folder has no tlog/{name}")
        return path

    return find


@pytest.fixture(scope="session")
def records(tlog: Callable[[str], Path]) -> Callable[[str], list[dict[str, Any]]]:
    """The records of one vector file, JSON or JSON lines, never an empty list."""

    def read(name: str) -> list[dict[str, Any]]:
        text = tlog(name).read_text(encoding="utf-8")
        found = [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)
        assert found
        return found

    return read
