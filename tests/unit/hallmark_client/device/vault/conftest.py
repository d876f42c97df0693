import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hallmark_client.device.model import Caller
from hallmark_client.device.vault import Vault
from unit.hallmark_client.device.vault.device_world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    world = World(tmp_path)
    yield world
    world.close()


@pytest.fixture
def vault(world: World) -> Vault:
    return world.open()


@pytest.fixture
def app() -> Caller:
    return Caller(application="app")


@pytest.fixture
def edited(world: World) -> Callable[..., Vault]:
    """Closes the vault, runs SQL on its index, opens it again."""

    def edit(*statements: str) -> Vault:
        world.close()
        connection = sqlite3.connect(world.folder / "index.sqlite")
        with connection:
            for statement in statements:
                assert connection.execute(statement).rowcount > 0
        connection.close()
        return world.open()

    return edit
