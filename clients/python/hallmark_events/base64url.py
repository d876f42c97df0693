"""base64url without padding (RFC 7515, section 2), with one accepted spelling for each value."""

import base64
import binascii

from hallmark_events.canonical import Refuse


def encode_base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def decode_base64url(value: object, *, what: str, refuse: Refuse) -> bytes:
    """Python alone passes over foreign characters and stray bits; here they raise what `refuse` makes."""
    if isinstance(value, str) and value.isascii():
        try:
            data = base64.b64decode(value + "=" * (-len(value) % 4), altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            data = None
        if data is not None and encode_base64url(data) == value:
            return data
    raise refuse(f"{what} is not base64url without padding")
