"""Cursors and page tokens: a position in the feed, opaque to callers and unforgeable.

88 characters of base64url: version (1 byte) || epoch (16) || sequence (8, big-endian) || anchor (9) ||
keyed BLAKE2b (32; RFC 7693, section 2.9). The MAC also covers the kind of token, the tenant, the feed and the filter,
so a token works only where it was given out, and it tells nobody which of them it belongs to.

BLAKE2b, because each connect takes three of them: HMAC through OpenSSL 3 looks the algorithm up at every call (45 us).
"""

import base64
import hashlib
import hmac
import re
from dataclasses import dataclass
from enum import StrEnum

from hsm.secret import Secret
from kms.core.database import Database
from kms.core.errors import InvalidArgument, Reason
from kms.core.randomness import Randomness
from kms.events import store
from kms.events.model import ANCHOR_SIZE, Position

_VERSION = b"\x04"
_BODY_SIZE = 1 + 16 + 8 + ANCHOR_SIZE
_MAC_SIZE = 32
_TOKEN = re.compile(r"[A-Za-z0-9_-]{88}")


class TokenKind(StrEnum):
    """CURSOR goes into streams and polls, PAGE into lists; one is never taken for the other."""

    CURSOR = "cursor"
    FULL = "full"
    """In the middle of a full transfer: nothing counts before its bookmark."""
    PAGE = "page_token"


_REASONS = {
    TokenKind.CURSOR: Reason.CURSOR_INVALID,
    TokenKind.FULL: Reason.CURSOR_INVALID,
    TokenKind.PAGE: Reason.PAGE_TOKEN_INVALID,
}
_ADVICE = {
    TokenKind.CURSOR: "this cursor was not given out by this server for this tenant; start again without one",
    TokenKind.FULL: "this cursor was not given out by this server for this tenant; start again without one",
    TokenKind.PAGE: "this page_token was not given out for this parent and subject; begin without one",
}


@dataclass(frozen=True, slots=True)
class CursorCodec:
    """Writes and reads tokens with the server's own 32-byte key, the same on every replica."""

    key: Secret

    def encode(self, kind: TokenKind, position: Position, subject: str = "") -> str:
        body = _VERSION + position.epoch + position.sequence.to_bytes(8, "big") + position.anchor
        return base64.urlsafe_b64encode(
            body + self._mac(kind, (position.tenant, position.feed, subject), body)
        ).decode()

    def decode(self, kind: TokenKind, token: str, *, tenant: str, feed: str, subject: str = "") -> Position:
        """Raises InvalidArgument (CURSOR_INVALID or PAGE_TOKEN_INVALID), whatever the text."""
        if not _TOKEN.fullmatch(token):
            raise _refusal(kind)
        data = base64.urlsafe_b64decode(token)
        body, mac = data[:_BODY_SIZE], data[_BODY_SIZE:]
        if not hmac.compare_digest(mac, self._mac(kind, (tenant, feed, subject), body)):
            raise _refusal(kind)
        return Position(tenant, feed, body[1:17], int.from_bytes(body[17:25], "big"), body[25:])

    def _mac(self, kind: TokenKind, place: tuple[str, str, str], body: bytes) -> bytes:
        # Neither kind, tenant, feed nor subject can hold a NUL, so the framing is unambiguous: the body's size is fixed
        label = "\0".join(("hallmark-feed", kind, *place, "")).encode()
        return hashlib.blake2b(label + body, key=self.key.reveal(), digest_size=_MAC_SIZE).digest()


def _refusal(kind: TokenKind) -> InvalidArgument:
    return InvalidArgument(_REASONS[kind], _ADVICE[kind], field=kind.value)


async def open_cursor_codec(database: Database, randomness: Randomness) -> CursorCodec:
    """Cursors with this installation's own key, made at the first start."""
    fresh = randomness.bytes(32)
    return CursorCodec(await database.write(lambda tx: store.ensure_cursor_key(tx, fresh)))
