"""What a device stands on, opened in order and closed in order: vault, then its own store."""

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.port import RootOfTrust
from hallmark_client.device.vault import Vault

from .feeds import Feeds
from .permissions import LeasePermissions
from .settings import LifeSettings
from .shared_root import SharedRoot
from .standing import Standing
from .store import LifeStore


class Ground:
    """Closed at the end of its block, unless `stays` was called in it. `clock`: feeds whose trusted time counts."""

    def __init__(
        self,
        folder: str | os.PathLike[str],
        *,
        tenant: str,
        root: RootOfTrust,
        policy: VaultPolicy | None,
        settings: LifeSettings,
    ) -> None:
        self.folder = Path(folder)
        self.settings = settings
        self.root = SharedRoot(root)
        self.standing = Standing()
        self.feeds: Feeds | None = None
        self.on_shred: Callable[[], None] = lambda: None
        self.permissions = LeasePermissions(self.standing.decision, self.standing.told, on_shred=self._shred)
        self.vault = Vault.open(
            self.folder,
            self.root,
            tenant=tenant,
            policy=policy,
            permissions=self.permissions,
            system=settings.system,
            clock=settings.clock,
            now=self.now,
        )
        try:
            self.store = LifeStore(self.folder)
        except BaseException:
            self.vault.close()
            raise
        self._stays = False

    def stays(self) -> None:
        self._stays = True

    def close(self) -> None:
        self.store.close()
        self.vault.close()

    def _shred(self) -> None:
        self.on_shred()

    def now(self) -> datetime:
        """Never earlier than what the service has proved to be past; before it was heard, the real-time clock."""
        return self.settings.clock.rtc() if self.feeds is None else self.feeds.now()[0].time

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._stays:
            self.close()
