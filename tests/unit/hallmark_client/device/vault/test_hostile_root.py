"""A root of trust that lies, such as a bridge of somebody else: nothing is stored under a key that it made up."""

import pytest

from hallmark_client.device.errors import RootLost
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.vault import Vault
from hallmark_client.model.consents import ArtifactKind
from unit.hallmark_client.device.vault.device_world import World


class LyingRoot(MemoryRoot):
    given = bytes(32)

    def open(self, blob: bytes, *, epoch: int, label: bytes) -> bytearray:
        return bytearray(self.given)


@pytest.mark.parametrize("given", [b"", b"short", bytes(16), bytes(32), bytes(33), bytes(256)])
def test_another_secret_than_was_sealed_opens_nothing(given: bytes, world: World) -> None:
    world.open().put([b"x"], name="m", kind=ArtifactKind.OTHER)
    world.close()
    root = LyingRoot(world.root.state)
    root.given = given
    with pytest.raises(RootLost, match="did not give the epoch key"):
        Vault.open(world.folder, root)
    assert world.open().find("m").size == 1
