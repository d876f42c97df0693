"""Time and randomness, as one argument. Tests give their own; nothing else in this package asks the system."""

import random
import secrets
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass


def _uuid4() -> str:
    return str(uuid.uuid4())


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """monotonic: seconds. sleep: seconds. jitter: uniform in [0, 1). random_bytes: for nonces. request_id: UUID4."""

    monotonic: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    jitter: Callable[[], float] = random.random
    random_bytes: Callable[[int], bytes] = secrets.token_bytes
    request_id: Callable[[], str] = _uuid4
