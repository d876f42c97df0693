"""Telling the server what was applied, and what could not be believed."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hallmark_client.errors import HallmarkError, PermissionDenied
from hallmark_client.permission_rpc import ACKNOWLEDGE_EVENTS
from hallmark_client.watch.commands import Ask, Steps
from hallmark_client.watch.following import Following
from hallmark_client.watch.frames import ACKNOWLEDGEMENTS_MAX, Feed, acknowledge_request
from hallmark_client.watch.held import Held

_logger = logging.getLogger("hallmark_client.watch")

CALL_SECONDS = 30.0
"""Deadline of a question; the server holds a poll back for 20 s at most."""


@dataclass(slots=True)
class Acknowledging:
    """Urgent events of the device's own feed, once their effects are stored. Repeating one changes nothing."""

    held: Held
    following: Following
    _is_allowed: bool = True

    def send(self) -> Steps[None]:
        """A failure is no reason to end a stream that works: the next heartbeat tries again."""
        acks, errors = self.waiting()
        if not acks and not errors:
            return
        request = acknowledge_request(self.following.parent, acks, errors)
        try:
            yield Ask(ACKNOWLEDGE_EVENTS, request, CALL_SECONDS)
        except PermissionDenied:
            self._is_allowed = False  # a back office, not a device
        except HallmarkError as error:
            _logger.info("acknowledging failed, later again: %s", error)
            return
        self.done(acks, errors)

    def waiting(self) -> tuple[Sequence[str], Mapping[str, tuple[str, str]]]:
        """Jti of what was applied, and by jti what was not: code and description. 1000 together at most."""
        if not self._is_allowed or Feed.DEVICE not in self.held.feeds:
            return [], {}
        acks = [jti for jti, is_stored in self.held.acks.items() if is_stored][:ACKNOWLEDGEMENTS_MAX]
        room = ACKNOWLEDGEMENTS_MAX - len(acks)
        return acks, dict(list(self.following.refused.items())[:room])

    def done(self, acks: Sequence[str], errors: Mapping[str, tuple[str, str]]) -> None:
        for jti in acks:
            self.held.acks.pop(jti, None)
            self.held.acknowledged.add(jti)
        for jti in errors:
            self.following.refused.pop(jti, None)
