import asyncio

import pytest

from peers.grown_log import GrownLog, grow
from peers.tools import Peers, find_peers


@pytest.fixture(scope="session")
def peers() -> Peers:
    return find_peers()


@pytest.fixture(scope="session")
def grown_log(tmp_path_factory: pytest.TempPathFactory) -> GrownLog:
    """Takes some seconds: ask for the tool first, so that a test without it skips at once."""
    return asyncio.run(grow(tmp_path_factory.mktemp("grown-log")))
