"""Any order of changes, looks, deaths and second replicas: the files always verify, and a reader that goes by deltas
ends with the same bytes as one that takes the whole files.
"""

import asyncio
import contextlib
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hallmark_tlog.errors import MissingResource
from kms.core.errors import ServiceError
from kms.events.model import Status
from support.killed_files import Killed, KilledFiles
from support.public_files import MemoryPublicFiles
from unit.kms.status.bench import TENANT, Reader, StatusBench, make_schedule, status_running

CHANGES = st.tuples(
    st.just("set"), st.integers(0, 4), st.sampled_from([Status.INVALID, Status.SUSPENDED, Status.VALID])
)
STEPS = st.one_of(
    CHANGES,
    st.tuples(st.just("revoke"), st.just(0), st.just(Status.INVALID)),
    st.tuples(st.just("look"), st.sampled_from([1, 60, 700, -3600]), st.just(Status.VALID)),
    st.tuples(st.just("die"), st.integers(0, 14), st.sampled_from([Status.VALID, Status.SUSPENDED])),
    st.tuples(st.just("read"), st.just(0), st.just(Status.VALID)),
)


@settings(max_examples=8, deadline=None)
@given(st.lists(STEPS, min_size=4, max_size=14))
def test_whatever_happens_the_files_tell_one_history(steps: list[tuple[str, int, Status]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(_run(Path(folder), steps))


async def _run(folder: Path, steps: list[tuple[str, int, Status]]) -> None:
    async with status_running(folder) as bench:
        memory = MemoryPublicFiles()
        subjects = [await bench.subject() for _ in range(5)]
        follower = bench.reader(memory.fetch)
        for number, (step, argument, status) in enumerate(steps):
            match step:
                case "set":
                    await bench.set(subjects[argument], status)
                case "revoke":
                    await bench.service.revoke_keys(f"key-{number}")
                case "look":
                    bench.service.clock.advance(argument)
                    await make_schedule(bench.service, memory).step()
                case "die":
                    bench.service.clock.advance(60)
                    await _dies(bench, KilledFiles(memory, argument, stored=status is Status.VALID))
                case _:
                    _read(bench, follower)
            _read(bench, bench.reader(memory.fetch))
        await _ends_well(bench, memory, follower, subjects)


async def _dies(bench: StatusBench, files: KilledFiles) -> None:
    publisher = make_schedule(bench.service, files).publisher
    with contextlib.suppress(Killed, ServiceError):
        made = await publisher.make(TENANT, bench.service.clock.now())
        if made is not None:
            await publisher.publish(made, bench.service.clock.now())


def _read(bench: StatusBench, reader: Reader) -> None:
    """Whatever is there verifies; freshness is another matter, once the clock went on."""
    with contextlib.suppress(MissingResource):
        reader.update(bench)


async def _ends_well(bench: StatusBench, memory: MemoryPublicFiles, follower: Reader, subjects: list[str]) -> None:
    schedule = make_schedule(bench.service, memory)
    for _ in range(3):
        bench.service.clock.advance(700)
        await schedule.step()
    follower.update(bench)
    fresh = bench.reader(memory.fetch)
    manifest = fresh.update(bench).manifest
    assert follower.held == fresh.held
    assert fresh.held[0] == manifest.state_digest
    for subject in subjects:
        known = await bench.status(fresh, subject)
        assert known is await _value(bench, subject)


async def _value(bench: StatusBench, subject: str) -> Status | None:
    from kms.status import lists

    return await bench.service.database.read(lambda tx: lists.value(tx, subject))
