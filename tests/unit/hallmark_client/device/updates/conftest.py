import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.hallmark_client.device.updates.update_world import CountingSource, UpdateDevice
from unit.hallmark_release.release_world import Publisher


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory where that is: what is synced here needs no disk."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        yield Path(folder)


@pytest.fixture
def publisher(place: Path) -> Publisher:
    (place / "publisher").mkdir()
    return Publisher(place / "publisher")


@pytest.fixture
def source(publisher: Publisher) -> CountingSource:
    return CountingSource(publisher.served)


@pytest.fixture
def device(place: Path, publisher: Publisher, source: CountingSource) -> Iterator[UpdateDevice]:
    (place / "device").mkdir()
    device = UpdateDevice(place / "device", publisher, source)
    yield device
    device.vault.close()
