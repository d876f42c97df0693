from collections.abc import Iterator
from pathlib import Path

import pytest

from unit.hallmark_client.device.update.update_world import CountingSource, UpdateDevice
from unit.hallmark_release.release_world import Publisher


@pytest.fixture
def publisher(tmp_path: Path) -> Publisher:
    (tmp_path / "publisher").mkdir()
    return Publisher(tmp_path / "publisher")


@pytest.fixture
def source(publisher: Publisher) -> CountingSource:
    return CountingSource(publisher.served)


@pytest.fixture
def device(tmp_path: Path, publisher: Publisher, source: CountingSource) -> Iterator[UpdateDevice]:
    (tmp_path / "device").mkdir()
    device = UpdateDevice(tmp_path / "device", publisher, source)
    yield device
    device.vault.close()
