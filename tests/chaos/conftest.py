from collections.abc import Iterator
from pathlib import Path

import pytest

from chaos.chaos_world import NEW, Chaos
from unit.hallmark_client.device.updates.conftest import place
from unit.hallmark_client.device.updates.update_world import CountingSource, UpdateDevice
from unit.hallmark_release.release_world import Publisher

__all__ = ["place"]


@pytest.fixture
def files() -> dict[str, bytes]:
    """Of the second release. Modules that need more of it have their own."""
    return NEW


@pytest.fixture
def unpublished(place: Path, files: dict[str, bytes]) -> Iterator[Chaos]:
    """The first release is installed; the second is not published yet."""
    for name in ("publisher", "device"):
        (place / name).mkdir()
    publisher = Publisher(place / "publisher")
    device = UpdateDevice(place / "device", publisher, CountingSource(publisher.served))
    yield Chaos(place, publisher, device, files)
    device.vault.close()


@pytest.fixture
def chaos(unpublished: Chaos) -> Chaos:
    """The second release is published."""
    unpublished.publish()
    return unpublished
