"""Time and randomness, as one argument. Tests give their own; nothing else in this package asks the system."""

import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass


def _uuid7() -> str:
    """RFC 9562, section 5.7: milliseconds, then 74 random bits. The server finds neighbours in time side by side."""
    value = time.time_ns() // 1_000_000 << 80 | int.from_bytes(secrets.token_bytes(10), "big")
    value = value & ~(0xF << 76) | 7 << 76
    value = value & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=value & (1 << 128) - 1))


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """monotonic: seconds. sleep: seconds. jitter: uniform in [0, 1). random_bytes: for nonces. request_id: a UUID."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = secrets.SystemRandom().random
    """Of the system: a program that seeds `random` alike on every device would have them all come back at once."""
    random_bytes: Callable[[int], bytes] = secrets.token_bytes
    request_id: Callable[[], str] = _uuid7
