"""A process that was forked from one that watches: it gets nothing of the file, and takes nothing away."""

import gc
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hallmark_client.device.life.errors import LifeStoreFailed
from hallmark_client.device.life.store import FILE, LifeStore
from hallmark_client.watch import SqliteStore, StoreFailed
from hallmark_client.watch.held import Writing
from support.forks import in_child

OWNER = "tenants/default"


class _Watch:
    name = "watch.db"
    refusal = StoreFailed

    def __init__(self, folder) -> None:
        self.store: Any = SqliteStore(folder / self.name)

    def keep(self, word: str) -> None:
        self.store.save(Writing(acks=(word,)))

    def kept(self) -> list[str]:
        return self.store.load(OWNER).acks


class _Life:
    name = FILE
    refusal = LifeStoreFailed

    def __init__(self, folder) -> None:
        self.store: Any = LifeStore(folder)

    def keep(self, word: str) -> None:
        self.store.note_suspended(word, on=True)

    def kept(self) -> list[str]:
        return sorted(self.store.suspended())


both = pytest.mark.parametrize("kind", [_Watch, _Life])


def copied(folder) -> Path:
    """As somebody finds it after a power cut at this moment."""
    copy = folder.with_name(f"{folder.name}-copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    return copy


@both
@pytest.mark.parametrize("end", ["closes", "forgets"])
def test_what_the_parent_keeps_after_a_fork_is_on_disk(kind, end: str, tmp_path) -> None:
    """SQLite in the child would take the log away that the parent writes to."""
    folder = tmp_path / "files"
    folder.mkdir()
    ours = kind(folder)
    ours.keep("before")

    def act() -> None:
        if end == "closes":
            ours.store.close()
        else:
            ours.store = None
            gc.collect()

    assert in_child(act) == 0
    ours.keep("later")
    again = kind(copied(folder))
    assert again.kept() == ["before", "later"]
    for each in (ours, again):
        each.store.close()


@both
def test_a_child_uses_nothing_of_it(kind, tmp_path) -> None:
    ours = kind(tmp_path)
    ours.keep("before")

    def act() -> None:
        uses: tuple[Callable[[], object], ...] = (ours.kept, lambda: ours.keep("of the child"))
        for use in uses:
            with pytest.raises(kind.refusal, match="forked"):
                use()

    with ours.store._lock:  # held by another thread at the fork: the child waits for nobody
        assert in_child(act) == 0
        assert in_child(ours.store.close) == 0
    ours.keep("later")
    assert ours.kept() == ["before", "later"]
    ours.store.close()
