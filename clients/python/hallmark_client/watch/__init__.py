"""What devices and servers run to follow what is granted and taken back: stream, poll, files, without user code.

    with Watcher(client, store="watch.db", trusted_keys=keys, log_policy=policy, on_change=act) as watcher:
        watcher.decision("artifacts/4f7c...")        # at once, also offline: from what is stored

Where things are
- for programs: watcher, async_watcher, settings, status, changes, decisions, snapshot, store
- the core, without a connection of its own: core (which way, when), ladder (down and up again), following (what a frame
  does), file_plane (what files do), held (what there is), signed_places (how far the service has signed that it went),
  commands (what it asks of whoever drives it)
- trust: service_keys (asked of the server)
- the edges: frames (the wire), grpc_aio, http_files, clocks
"""

from hallmark_client.watch.async_watcher import AsyncWatcher
from hallmark_client.watch.changes import (
    Change,
    ConsentEnded,
    ConsentGiven,
    DeletionRequested,
    Forgotten,
    Granted,
    Informed,
    KeyRotated,
    LeaseEnded,
    LeaseGranted,
    LeaseRenewed,
    PolicyChanged,
    Restored,
    Revoked,
    Superseded,
    Suspended,
    TrustRootChanged,
)
from hallmark_client.watch.clocks import DeviceClock
from hallmark_client.watch.decisions import NotGranted, Use
from hallmark_client.watch.files_only import files_client
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.ladder import Rung
from hallmark_client.watch.service_keys import PinnedKeys, ServiceKeys, log_keys
from hallmark_client.watch.settings import WatchSettings
from hallmark_client.watch.snapshot import HeldSubject, WatchSnapshot
from hallmark_client.watch.status import Status, WatchStatus
from hallmark_client.watch.store import MemoryStore, SqliteStore, Store, StoreFailed
from hallmark_client.watch.watcher import Watcher

__all__ = [
    "AsyncWatcher",
    "Change",
    "ConsentEnded",
    "ConsentGiven",
    "DeletionRequested",
    "DeviceClock",
    "Feed",
    "Forgotten",
    "Granted",
    "HeldSubject",
    "Informed",
    "KeyRotated",
    "LeaseEnded",
    "LeaseGranted",
    "LeaseRenewed",
    "MemoryStore",
    "NotGranted",
    "PinnedKeys",
    "PolicyChanged",
    "Restored",
    "Revoked",
    "Rung",
    "ServiceKeys",
    "SqliteStore",
    "Status",
    "Store",
    "StoreFailed",
    "Superseded",
    "Suspended",
    "TrustRootChanged",
    "Use",
    "WatchSettings",
    "WatchSnapshot",
    "WatchStatus",
    "Watcher",
    "files_client",
    "log_keys",
]
