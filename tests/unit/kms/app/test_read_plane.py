"""The log of a service, followed: history, tidying and a copy that is complete when the service has stopped."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from hallmark_tlog.audit import audit
from hallmark_tlog.errors import MissingResource
from kms.app.read_plane import ReadPlane
from kms.config import Config, ConfigError, LogConfig
from kms.log.published.history import kept_checkpoints
from kms.public.files import FolderPublicFiles
from kms.public.object_store import BucketAddress, ObjectStorePublicFiles
from support.clock import FakeClock
from support.log_world import ORIGIN, LogWorld
from support.public_files import MemoryPublicFiles


@pytest.fixture
async def bare_world(tmp_path: Path) -> AsyncIterator[LogWorld]:
    world = LogWorld(tmp_path)
    await world.open()
    yield world
    await world.close()


def _config(**log: object) -> Config:
    return Config(log=LogConfig(**log))


async def test_the_last_checkpoint_is_kept_and_copied(
    bare_world: LogWorld, bucket: ObjectStorePublicFiles, bucket_address: BucketAddress
) -> None:
    config = _config(export=str(bucket_address), export_endpoint=bucket_address.endpoint, export_region="us-east-1")
    plane = ReadPlane(config, bare_world.audited, "", origin=ORIGIN, clock=bare_world.clock)
    [memory] = plane.memories
    assert await memory.recall(ORIGIN) is None
    await bare_world.log.start()
    plane.follow(bare_world.log)
    await asyncio.sleep(0.05)
    await bare_world.act(300)
    await bare_world.log.close()
    await plane.close()
    seen = await memory.recall(ORIGIN)
    assert seen is not None
    assert seen.head.size == 300
    kept = kept_checkpoints(bare_world.audited.contents["history.json"])
    assert kept[0].size == 300
    contents = {path: await bucket.read(path) for path in bare_world.audited.contents}
    assert contents == bare_world.audited.contents

    def fetch(path: str) -> bytes:
        content = contents.get(path)
        if content is None:
            raise MissingResource(path)
        return content

    assert audit(fetch, bare_world.audited.verifier_keys(), origin=ORIGIN).entries_verified == 300


async def test_without_an_export_there_is_no_memory_and_no_copy(bare_world: LogWorld) -> None:
    plane = ReadPlane(_config(), bare_world.audited, "", origin=ORIGIN, clock=bare_world.clock)
    assert plane.memories == []
    assert plane.exporter is None
    await bare_world.log.start()
    plane.follow(bare_world.log)
    await bare_world.log.close()
    await plane.close()
    await plane.close()


async def test_closing_what_never_began_is_fine(tmp_path: Path) -> None:
    files = FolderPublicFiles(tmp_path)
    await ReadPlane(_config(), files, "", origin=ORIGIN, clock=FakeClock()).close()
    assert await files.names() == []


@pytest.mark.parametrize(
    "settings",
    [
        {"export": "logs"},
        {"export": "https://bucket/log"},
        {"export": "s3://key:secret@bucket"},
        {"export": "s3://bucket/../x"},
        {"export": "s3://[secret"},
        {"export": "s3://bucket", "export_endpoint": "http://["},
        {"export_endpoint": "https://s3.example"},
    ],
)
def test_an_export_that_is_none_is_a_wrong_setting(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"log\.export") as failed:
        ReadPlane(_config(**settings), MemoryPublicFiles(), "", origin=ORIGIN, clock=FakeClock())
    assert "secret" not in str(failed.value)
