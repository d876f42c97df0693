"""The peer as its authors published it, kept in the user's cache. Without a network its tests skip, and say so."""

import os
from pathlib import Path

import pytest

from kms.cli.bench.vault_peer import Peer, PeerUnavailable, fetch_peer


@pytest.fixture(scope="session")
def peer() -> Peer:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    try:
        return fetch_peer(cache / "hallmark-compat" / "pqc-enclave-sdk-0.1.0")
    except PeerUnavailable as error:
        pytest.skip(str(error))
