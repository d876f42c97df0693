"""The keys of one issuer: read in the background, kept while the issuer is away, never fetched at a stranger's wish."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kms.collateral.fetch import FetchFailed, check_source, is_url, read_file, read_url
from kms.core.clock import Clock
from kms.core.errors import Reason, Unavailable
from kms.server.identity_jose import IssuerKey, KeySetInvalid, UnverifiedToken, fits, invalid, read_key_set, strict_json

LEAST_SECONDS: Final = 30.0
"""Between two fetches, whatever tokens name: kids of strangers cost the issuer nothing."""
_FETCH_SECONDS: Final = 5.0
_DISCOVERY: Final = "/.well-known/openid-configuration"
_logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KeyLocation:
    """`jwks`: a file or URL; None asks the issuer's discovery document (OpenID Connect Discovery 1.0, section 4)."""

    issuer: str
    jwks: str | None

    def __post_init__(self) -> None:
        """Raises ValueError for http to another machine: it can be changed on its way."""
        if not is_url(check_source(self.issuer)):
            raise ValueError(f"issuer {self.issuer!r} must be an https URL, or an http URL of this machine")
        if self.jwks is not None:
            check_source(self.jwks)

    def read(self) -> tuple[IssuerKey, ...]:
        """Blocking: a file, or one or two requests of a few seconds at most. Raises FetchFailed, KeySetInvalid."""
        place = self.jwks or self._discovered()
        data = read_url(place, timeout_seconds=_FETCH_SECONDS) if is_url(place) else read_file(Path(place))[0]
        return read_key_set(data)

    def _discovered(self) -> str:
        document = strict_json(read_url(self.issuer.rstrip("/") + _DISCOVERY, timeout_seconds=_FETCH_SECONDS))
        if not isinstance(document, dict) or document.get("issuer") != self.issuer:
            raise KeySetInvalid("its discovery document is of another issuer")  # section 4.3
        place = document.get("jwks_uri")
        try:
            if isinstance(place, str) and is_url(check_source(place)):
                return place
        except ValueError:
            pass
        raise KeySetInvalid("its discovery document names no usable jwks_uri")


class IssuerKeys:
    """`find` answers from memory; `keep` runs beside it."""

    def __init__(
        self,
        name: str,
        read: Callable[[], tuple[IssuerKey, ...]],
        clock: Clock,
        *,
        refresh_seconds: float = 600,
        stale_seconds: float = 86400,
    ) -> None:
        self._name = name
        self._read = read
        self._clock = clock
        self._refresh_seconds = refresh_seconds
        self._stale_seconds = stale_seconds
        self._keys: tuple[IssuerKey, ...] = ()
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._is_reading = False
        self._wanted = asyncio.Event()
        self._problem = ""

    def find(self, token: UnverifiedToken) -> IssuerKey:
        """Raises Unavailable/ISSUER_UNAVAILABLE, Unauthenticated/TOKEN_INVALID. A kid that nobody knows starts a fetch,
        and calls with it are told to come back, unless one was made less than LEAST_SECONDS ago.
        """
        now = self._clock.monotonic()
        if self._read_at is None or now - self._read_at > self._stale_seconds:
            self._want(now)
            raise self._away(f"the keys of issuer {self._name} can not be read; retry later")
        named = [key for key in self._keys if token.key_id is None or key.key_id == token.key_id]
        usable = [key for key in named if fits(key, token.algorithm)]
        if len(usable) == 1:
            return usable[0]
        if token.key_id is None:
            raise invalid("the token names no key (kid), and its issuer has several; the issuer must name it")
        if named:
            raise invalid("the token's algorithm is not that of the issuer's key")
        if self._want(now):
            raise self._away(f"the token's key is not known yet; the keys of issuer {self._name} are read again: retry")
        raise invalid("the token's key is none of its issuer's")

    async def keep(self) -> None:
        """Until cancelled."""
        while True:
            done = await self.refresh()
            pause = self._refresh_seconds if done else min(self._refresh_seconds, LEAST_SECONDS)
            self._wanted.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._wanted.wait()

    async def refresh(self) -> bool:
        """One attempt. False when it failed: what was known stays."""
        self._is_reading, self._tried_at = True, self._clock.monotonic()
        try:
            self._keys = await asyncio.to_thread(self._read)
        except (FetchFailed, KeySetInvalid) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                _logger.warning("the keys of issuer %s were not read, later again: %s", self._name, error)
            return False
        finally:
            self._is_reading = False
        self._read_at = self._clock.monotonic()
        if self._problem:
            self._problem = ""
            _logger.info("the keys of issuer %s are read again", self._name)
        return True

    def _want(self, now: float) -> bool:
        """Whether a fetch is on its way."""
        if self._is_reading or self._wanted.is_set():
            return True
        if self._tried_at is not None and now - self._tried_at < LEAST_SECONDS:
            return False
        self._wanted.set()
        return True

    def _away(self, sentence: str) -> Unavailable:
        return Unavailable(Reason.ISSUER_UNAVAILABLE, sentence, retry_after_seconds=1)
