"""Who signs next."""

import asyncio

import pytest

from hsm.errors import TokenUnavailable
from hsm.pkcs11.schedule import Answer, Schedule


class Signers:
    """Signer processes that answer when told to."""

    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.frames: list[list[bytes]] = []
        self._waiting: list[asyncio.Future[list[Answer]]] = []
        self.schedule = Schedule(self.send, lambda: self.count)

    async def send(self, items: list[list[str | bytes]]) -> list[Answer]:
        self.frames.append([item[0] for item in items])
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        return await future

    def answer(self, *, error: Exception | None = None) -> None:
        position = len(self.frames) - len(self._waiting)
        future = self._waiting.pop(0)
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result([b"signed " + item for item in self.frames[position]])

    def ask(self, *names: bytes) -> "asyncio.Task[list[Answer]]":
        return asyncio.create_task(self.schedule.sign([[name] for name in names]))


async def _settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_an_idle_signer_gets_a_single_signature_at_once() -> None:
    signers = Signers()
    task = signers.ask(b"a")
    await _settle()
    assert signers.frames == [[b"a"]]
    signers.answer()
    assert await task == [b"signed a"]


async def test_load_makes_the_frames() -> None:
    signers = Signers()
    tasks = [signers.ask(b"%d" % number) for number in range(30)]
    await _settle()
    assert [len(frame) for frame in signers.frames] == [8, 8], "one that is worked on, and the next"
    while any(not task.done() for task in tasks):
        signers.answer()
        await _settle()
    assert [len(frame) for frame in signers.frames] == [8, 8, 8, 6]
    assert [await task for task in tasks] == [[b"signed %d" % number] for number in range(30)]


async def test_a_few_are_spread_over_the_signers() -> None:
    signers = Signers(2)
    tasks = [signers.ask(b"%d" % number) for number in range(4)]
    await _settle()
    assert [len(frame) for frame in signers.frames] == [1, 1, 1, 1]
    for _ in tasks:
        signers.answer()
    await asyncio.gather(*tasks)


async def test_a_single_signature_waits_for_chunks_and_not_for_batches() -> None:
    signers = Signers()
    batch = signers.ask(*(b"batch" for _ in range(100)))
    await _settle()
    single = signers.ask(b"single")
    await _settle()
    sent = len(signers.frames)
    while not single.done():
        signers.answer()
        await _settle()
    assert len(signers.frames) <= sent + 3
    assert await single == [b"signed single"]
    while not batch.done():
        signers.answer()
        await _settle()
    assert await batch == [b"signed batch"] * 100


async def test_a_small_request_is_spread_over_idle_signers_only() -> None:
    signers = Signers(2)
    spread = signers.ask(b"a", b"b", b"c", b"d")
    await _settle()
    assert signers.frames == [[b"a", b"b"], [b"c", b"d"]]
    whole = signers.ask(b"e", b"f", b"g")
    await _settle()
    assert signers.frames[2:] == [[b"e", b"f", b"g"]]
    while not (spread.done() and whole.done()):
        signers.answer()
        await _settle()
    assert await whole == [b"signed e", b"signed f", b"signed g"]


async def test_small_requests_fill_a_frame_and_are_not_cut() -> None:
    signers = Signers()
    first = [signers.ask(b"1"), signers.ask(b"2")]
    await _settle()
    small = [signers.ask(*(b"%d" % number for number in range(5))) for _ in range(3)]
    await _settle()
    while not all(task.done() for task in (*first, *small)):
        signers.answer()
        await _settle()
    assert [len(frame) for frame in signers.frames][-3:] == [5, 5, 5]


async def test_what_nobody_waits_for_is_not_signed() -> None:
    signers = Signers()
    first = [signers.ask(b"a"), signers.ask(b"b")]
    await _settle()
    left = signers.ask(b"left")
    stays = signers.ask(b"stays")
    await _settle()
    left.cancel()
    await _settle()
    for _ in range(3):
        signers.answer()
        await _settle()
    assert await stays == [b"signed stays"]
    assert b"left" not in [name for frame in signers.frames for name in frame]
    await asyncio.gather(*first)


async def test_of_a_batch_that_nobody_waits_for_no_further_chunk_is_signed() -> None:
    signers = Signers()
    batch = signers.ask(*(b"left" for _ in range(512)))
    await _settle()
    sent = len(signers.frames)
    batch.cancel()
    await _settle()
    stays = signers.ask(*(b"stays" for _ in range(10)))
    while not stays.done():
        signers.answer()
        await _settle()
    assert await stays == [b"signed stays"] * 10
    assert [name for frame in signers.frames[sent:] for name in frame] == [b"stays"] * 10


async def test_a_frame_that_breaks_is_told_to_its_own_callers_only() -> None:
    signers = Signers()
    broken, fine = signers.ask(b"a", b"b"), None
    await _settle()
    fine = signers.ask(b"c")
    await _settle()
    signers.answer(error=ZeroDivisionError("a mistake of ours"))
    await _settle()
    signers.answer()
    with pytest.raises(ZeroDivisionError):
        await broken
    assert await fine == [b"signed c"]


async def test_errors_among_the_answers_are_handed_on() -> None:
    signers = Signers()
    task = signers.ask(b"a")
    await _settle()
    error = TokenUnavailable("gone")
    signers._waiting.pop().set_result([error])
    assert await task == [error]
