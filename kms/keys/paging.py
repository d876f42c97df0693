"""Page tokens of ListKeys: the last key id, in base64url. Opaque to callers; garbage is a typed error."""

import base64
import binascii

from kms.core.errors import InvalidArgument, Reason

PAGE_SIZE_DEFAULT = 100
PAGE_SIZE_MAX = 1000


def page_size(given: int) -> int:
    if not 0 <= given <= PAGE_SIZE_MAX:
        raise InvalidArgument(Reason.FIELD_INVALID, f"page_size must be 0 to {PAGE_SIZE_MAX}", field="page_size")
    return given or PAGE_SIZE_DEFAULT


def page_token(last_key_id: str) -> str:
    return base64.urlsafe_b64encode(last_key_id.encode()).decode()


def read_page_token(token: str) -> str:
    """The key id to begin after; empty for the first page."""
    try:
        text = base64.b64decode(token.encode(), altchars=b"-_", validate=True).decode()
    except (binascii.Error, UnicodeError, ValueError):
        text = "\0"
    if not text.isprintable():  # no id is, and PostgreSQL takes no NUL
        raise InvalidArgument(
            Reason.PAGE_TOKEN_INVALID, "page_token is not one of ours; begin without it", field="page_token"
        )
    return text
