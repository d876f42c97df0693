"""Two processes on one SQLite file, with no lock of a home between them: what an operator's mistake may do is wait.

Both append, sequence, sign and publish, and are killed; entries stay dense and in one tree.
"""

from pathlib import Path

import pytest

from support.fault_runs import LOG_KILLS, SEED
from support.log_kill_nursery import Nursery
from support.log_kill_reign import Reign


@pytest.mark.parametrize("folders", [1, 2], ids=["one-public-folder", "a-public-folder-each"])
def test_two_processes_on_one_file(folders: int, tmp_path: Path, record_property) -> None:
    kills = max(4, LOG_KILLS // 20)
    publics = [tmp_path / f"public-{number % folders}" for number in range(2)]
    with Nursery() as nursery:
        reign = Reign(nursery, tmp_path, f"sqlite:///{tmp_path / 'log.db'}", publics, SEED)
        reign.prepare()
        reign.begin()
        reign.look_for(2.0)
        assert all(reign.proofs_of_each()), "both get on"
        reign.end()
        reign.run(kills)
        size = reign.check()
    record_property(
        "fault facts",
        f"two processes on one SQLite file, {folders} public folder(s), {kills} kills: {size} entries, one tree",
    )
