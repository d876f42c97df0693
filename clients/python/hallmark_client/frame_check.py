"""Which frames of one stream may be believed."""

import hmac
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.claims import HEARTBEAT_CONTEXT, read_heartbeat
from hallmark_client.model.revocations import Bookmark, Event, Frame, Goodbye, Heartbeat
from hallmark_client.model.signed import TrustedKeys


@dataclass(kw_only=True)
class FrameCheck:
    """The checks of one stream. parent: the tenants/{tenant} watched. nonce: the one this stream was opened with."""

    parent: str
    nonce: bytes
    trusted_keys: TrustedKeys
    _newest_time: datetime | None = None

    def check(self, frame: Frame) -> None:
        """Raises SignatureInvalid or VerificationFailed. Bookmarks and goodbyes are unsigned: they grant nothing."""
        match frame:
            case Event():
                frame.event.verify(self.trusted_keys)
            case Heartbeat():
                self._check_heartbeat(frame)
            case Bookmark() | Goodbye():
                pass
            case _:
                assert_never(frame)

    def _check_heartbeat(self, frame: Heartbeat) -> None:
        """1. signed by a trusted key  2. over our nonce and tenant  3. what the fields repeat  4. not an older one."""
        if frame.signature is None:
            raise VerificationFailed("HEARTBEAT_INVALID", "the heartbeat is not signed although a nonce was sent")
        frame.signature.verify(frame.payload, self.trusted_keys, context=HEARTBEAT_CONTEXT)
        claims = read_heartbeat(frame.payload)
        if not hmac.compare_digest(claims.nonce, self.nonce) or claims.parent != self.parent:
            raise VerificationFailed("HEARTBEAT_INVALID", "the heartbeat was made for another stream: a replay")
        if claims.server_time != frame.server_time:
            raise VerificationFailed("HEARTBEAT_INVALID", "the heartbeat's time is not the one that was signed")
        if self._newest_time is not None and claims.server_time < self._newest_time:
            raise VerificationFailed("HEARTBEAT_INVALID", "the heartbeat is older than one before it: a replay")
        self._newest_time = claims.server_time
