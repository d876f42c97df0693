"""Messages cross the border of the fake as copies."""

from typing import TypeVar

from google.protobuf.message import Message

Copied = TypeVar("Copied", bound=Message)


def copy_of(message: Copied) -> Copied:
    """Callers must not reach the fake's own state through what they sent or got."""
    twin = type(message)()
    twin.CopyFrom(message)
    return twin
