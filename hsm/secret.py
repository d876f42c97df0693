"""A holder for secret bytes: a search for `.reveal(` finds every place that touches them."""

import hmac
from typing import NoReturn


class Secret:
    """Secret bytes that do not show in repr, str, logs, pickles or copies.

    Python cannot wipe immutable bytes: keep a Secret in the narrowest scope and drop it early.
    """

    __slots__ = ("_value",)

    def __init__(self, value: bytes) -> None:
        self._value = bytes(value)

    def reveal(self) -> bytes:
        """The secret itself."""
        return self._value

    def __len__(self) -> int:
        return len(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value, other._value)

    __hash__ = None  # type: ignore[assignment]  # a hash would be a fingerprint of the secret

    def __repr__(self) -> str:
        return "Secret(hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a Secret is never serialised")
