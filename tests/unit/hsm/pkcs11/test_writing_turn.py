"""One at a time changes the token, also among servers."""

import asyncio
import shutil
from pathlib import Path

import pytest

from hsm.pkcs11.writing_turn import WritingTurn


async def _enters(turn: WritingTurn, seconds: float = 0.05) -> bool:
    try:
        async with turn.held(timeout_seconds=seconds):
            return True
    except TimeoutError:
        return False


@pytest.mark.parametrize("shared", [True, False])
async def test_one_at_a_time_within_a_server_and_among_servers_with_one_folder(tmp_path: Path, shared) -> None:
    (tmp_path / "other").mkdir()
    ours, theirs = WritingTurn(tmp_path), WritingTurn(tmp_path if shared else tmp_path / "other")
    async with ours.held():
        assert not await _enters(ours)
        assert await _enters(theirs) is not shared
    assert await _enters(ours)
    assert await _enters(theirs)


async def test_whoever_waits_gets_the_next_turn(tmp_path: Path) -> None:
    order: list[str] = []

    async def work(turn: WritingTurn, name: str) -> None:
        async with turn.held(timeout_seconds=5):
            order.append(name)
            await asyncio.sleep(0.02)
            order.append(name)

    turns = [WritingTurn(tmp_path) for _ in range(3)]
    await asyncio.gather(*(work(turn, str(number % 3)) for number, turn in enumerate(turns * 2)))
    assert order[::2] == order[1::2], "nobody came in between"


async def test_a_turn_is_given_back_when_the_work_fails(tmp_path: Path) -> None:
    turn = WritingTurn(tmp_path)
    with pytest.raises(ZeroDivisionError):
        async with turn.held():
            raise ZeroDivisionError
    assert await _enters(WritingTurn(tmp_path))
    assert await _enters(turn)


async def test_where_the_folder_is_away_there_is_nothing_to_wait_for(tmp_path: Path) -> None:
    folder = tmp_path / "hsm"
    folder.mkdir()
    turn = WritingTurn(folder)
    async with turn.held():
        shutil.rmtree(folder)
    assert await _enters(turn)
    assert not folder.exists(), "and nothing is made in its place"
