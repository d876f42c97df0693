"""What every feature is built on."""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any, TypeAlias

from hsm.provider import KeyProvider
from kms.app.metrics import Observing
from kms.app.walls import Walls
from kms.config import Config
from kms.core.clock import Clock
from kms.core.database import Database
from kms.core.randomness import Randomness
from kms.log.service import TransparencyLog
from kms.server.local_ca import LocalAuthority

Add: TypeAlias = Callable[[Callable[[Any, Any], None], object], None]
"""(add_XServicer_to_server, its servicer)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """What features stand on. `spawn` runs something until the server stops; `closing` is left in reverse order;
    `places` are further addresses that the server listens on, by name.
    """

    config: Config
    clock: Clock
    randomness: Randomness
    database: Database
    provider: KeyProvider
    log: TransparencyLog
    authority: LocalAuthority
    walls: Walls
    observing: Observing
    draining: asyncio.Event
    public_url: Callable[[], str]
    closing: AsyncExitStack
    spawn: Callable[[Coroutine[None, None, None]], None]
    places: dict[str, str]
