"""SIGKILL while the log is appending, again and again: nothing acknowledged is lost, no hole, no fork."""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import sqlalchemy as sa

from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import Checkpoint, parse_checkpoint
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.note import parse_note
from hallmark_tlog.reader import entries
from hallmark_tlog.vkey import parse_vkey
from kms.log import store
from support.fault_runs import LONG
from support.log_appender import ORIGIN, open_log

ROUNDS = 6 if LONG else 2


def run_and_kill(folder: Path, seconds: float) -> tuple[dict[str, int], list[Checkpoint]]:
    """What the child acknowledged (event key, index), and the checkpoints that were to be seen meanwhile."""
    tests = str(Path(__file__).parents[3])
    command = [sys.executable, "-m", "support.log_appender", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": tests}) as child:
        assert child.stdout is not None
        try:
            output = [child.stdout.readline()]  # the first acknowledgement: it is up
            seen = []
            deadline = time.monotonic() + seconds
            while time.monotonic() < deadline:
                seen.append(parse_checkpoint(parse_note((folder / "public" / "checkpoint").read_bytes()).text))
                time.sleep(0.01)
        finally:
            child.kill()
        output += child.stdout.readlines()
    lines = [line.decode().split() for line in output if line.endswith(b"\n")]
    return {key: int(index) for key, index in lines}, seen


async def test_killed_again_and_again(tmp_path: Path) -> None:
    acknowledged: dict[str, int] = {}
    seen: list[Checkpoint] = []
    moments = random.Random(7)
    for _ in range(ROUNDS):
        keys, checkpoints = run_and_kill(tmp_path, moments.uniform(0.05, 0.6))
        assert keys, "the child appended nothing"
        acknowledged |= keys
        seen += checkpoints

    database, log = await open_log(tmp_path)
    await log.start()  # finishes what the last kill left
    await log.step()
    checkpoint = (await log.checkpoint()).head
    rows = await database.read(
        lambda tx: tx.execute(sa.text("SELECT idx, event_key FROM tlog_entry ORDER BY idx")).all()
    )
    assert [row.idx for row in rows] == list(range(checkpoint.size)), "no hole, and all of it published"
    assert await database.read(store.is_queue_empty)
    places = {row.event_key: row.idx for row in rows}
    assert acknowledged.items() <= places.items(), "everything acknowledged is where it was said to be"
    await log.close()
    database.close()

    fetch = folder_fetcher(tmp_path / "public")
    keys = [parse_vkey(line) for line in (tmp_path / "public" / "verifier-keys").read_text().splitlines()]
    roots: dict[int, bytes] = {}
    for shown in seen:
        assert roots.setdefault(shown.size, shown.root) == shown.root, "two roots for a size"
    assert [shown.size for shown in seen] == sorted(shown.size for shown in seen), "a smaller one after a larger one"
    for size in random.Random(1).sample(sorted(roots), min(10, len(roots))):
        report = audit(fetch, keys, origin=ORIGIN, previous=Checkpoint(ORIGIN, size, roots[size]))
        assert report.entries_verified == checkpoint.size
    assert len(set(entries(fetch, checkpoint.size))) == checkpoint.size, "every act once"
