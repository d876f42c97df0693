"""The disk of the database or of the public folder is full, or the latter read-only, while the log is under load.

Nothing acknowledged is lost; when there is room again, the log goes on by itself, also when its process was killed and
started again meanwhile.
"""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from support.fault_runs import SEED, long_only
from support.log_kill_disk import SmallDisk, small_disk
from support.log_kill_nursery import Nursery
from support.log_kill_reign import Reign

_TROUBLE: dict[str, tuple[Callable[[SmallDisk], None], Callable[[SmallDisk], None]]] = {
    "full": (SmallDisk.fill, SmallDisk.make_room),
    "read-only": (lambda disk: disk.set_read_only(yes=True), lambda disk: disk.set_read_only(yes=False)),
}
"""How it begins, and how it ends."""


@pytest.mark.parametrize("is_killed", [False, pytest.param(True, marks=long_only)], ids=["lives-on", "killed"])
@pytest.mark.parametrize(("of", "trouble"), [("database", "full"), ("public", "full"), ("public", "read-only")])
def test_it_goes_on(of: str, trouble: str, is_killed: bool, tmp_path: Path, record_property) -> None:
    begin, end = _TROUBLE[trouble]
    with small_disk(tmp_path / of) as disk, Nursery() as nursery:
        url = f"sqlite:///{(disk.folder if of == 'database' else tmp_path) / 'log.db'}"
        reign = Reign(nursery, tmp_path, url, [tmp_path / "public"], SEED)
        reign.prepare()
        reign.begin()
        reign.wait_for_proofs()
        begin(disk)
        reign.look_for(0.7)
        stopped = reign.proofs()
        reign.look_for(0.7)
        assert reign.proofs() == stopped, "nothing is proved that cannot be stored"
        if is_killed:
            reign.end()
            reign.begin()
            reign.look_for(0.5)
            stopped = reign.proofs()
        end(disk)
        began = time.monotonic()
        reign.wait_for_proofs()
        seconds = time.monotonic() - began
        reign.end()
        reign.finish()
        size = reign.check()
    assert reign.book.away or of != "database", "callers were told"
    record_property("fault facts", f"disk of {of} {trouble}: on again after {seconds:.1f} s; {size} entries, none lost")
