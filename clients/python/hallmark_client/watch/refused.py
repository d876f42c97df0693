"""The service refuses this device as revoked: then that holds, although the event that says it may never come.

A device that was off when it was revoked is not let in any more, and files tell of no single device. The refusal comes
over TLS from the service itself, is for ever, and only takes away: so it is kept as its event would be.
"""

from typing import Final

from hallmark_client.errors import PermissionDenied
from hallmark_client.watch.changes import change_of
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.held import Held
from hallmark_events.state_entry import Entry, Kept
from hallmark_events.types import CREDENTIAL_CHANGE, StatusValue

DEVICE_REVOKED: Final = "DEVICE_REVOKED"
REFUSED: Final = "refused"
"""Stands where an event has its jti."""


def is_end_of_device(error: Exception) -> bool:
    return isinstance(error, PermissionDenied) and error.reason == DEVICE_REVOKED


def end_device(held: Held) -> bool:
    """It is revoked from now on, and that is still to be told. False where no device is known, or it was told."""
    feed, device = held.feeds.get(Feed.DEVICE), held.device
    if feed is None or device is None or held.status_of(device) is StatusValue.INVALID:
        return False
    before = feed.state.get(device)
    own = {"reason": DEVICE_REVOKED}
    entry = Entry(jti=REFUSED, uri=CREDENTIAL_CHANGE, revision=1, status=StatusValue.INVALID, own=own)
    feed.state.kept[device] = Kept(entry, feed.state.epoch)
    feed.dirty.add(device)
    held.pending[Feed.DEVICE, REFUSED] = change_of(Feed.DEVICE, device, before, entry)
    return True
