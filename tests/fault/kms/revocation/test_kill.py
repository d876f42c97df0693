"""kill -9 in the middle of revoking: what was answered is there, and what is there is whole."""

import asyncio
import json
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa

from kms.core.database import Database
from kms.events import history
from kms.events.model import REVOCATIONS
from kms.revocation import store
from kms.revocation.model import RevocationEvent

TESTS = Path(__file__).resolve().parents[3]
REVOKER = Path(__file__).with_name("revoker.py")


async def _run_and_kill(folder: Path, *, answers: int) -> list[tuple[str, str]]:
    """What the process had answered when it was killed, right after so many answers."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(REVOKER), str(folder), stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(TESTS)}
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(30):
            lines = [await process.stdout.readline() for _ in range(answers)]
    finally:
        process.kill()
        rest, _ = await process.communicate()
    whole = [*lines, *(line + b"\n" for line in rest.split(b"\n")[:-1])]
    return [tuple(line.decode().split()) for line in whole]


@pytest.mark.parametrize("answers", [1, 20])
async def test_killed(tmp_path: Path, answers: int) -> None:
    answered = await _run_and_kill(tmp_path, answers=answers)
    database = Database(f"sqlite:///{tmp_path / 'test.db'}")
    try:
        events = list(await database.read(lambda tx: store.events_after(tx, "default", 0, limit=10_000)))
        newest = await database.read(lambda tx: history.find_newest(tx, "default", REVOCATIONS))
        revoked = await database.read(
            lambda tx: set(tx.execute(sa.text("SELECT key_id FROM key WHERE revoke_time IS NOT NULL")).scalars())
        )
        logged = await database.read(lambda tx: set(tx.execute(sa.text("SELECT data FROM tlog_queue")).scalars()))
    finally:
        database.close()
    names = [(str(event.revocation.name), str(event.revocation.subject)) for event in events]
    assert names[: len(answered)] == answered, "what was answered was lost"
    assert newest is not None
    assert [event.sequence for event in events] == list(range(1, newest.sequence + 1))
    assert {event.revocation.subject.key for event in events} == revoked
    _assert_logged(events, logged)


def _assert_logged(events: list[RevocationEvent], logged: set[bytes]) -> None:
    """Each event has its entry, and each entry its event."""
    of_revocations = {entry for entry in logged if json.loads(entry)["type"] == "revocation.created"}
    assert of_revocations == {event.promise.entry for event in events}
