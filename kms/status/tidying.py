"""Removes files that no kept manifest names, a while after that was first seen.

The while is for readers that hold an older manifest, and for another replica that has added files and not yet committed
the manifest that names them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from hallmark_events.manifest import Manifest, sha256_hex
from kms.public.files import PublicFiles
from kms.status.making import named_files
from kms.status.model import Snapshot, folder, set_path

GRACE: Final = timedelta(minutes=15)
EVERY: Final = timedelta(minutes=1)


@dataclass(slots=True)
class Tidying:
    """Of one process, which remembers since when a file is unnamed."""

    grace: timedelta = GRACE
    every: timedelta = EVERY
    _unnamed: dict[str, dict[str, datetime]] = field(default_factory=dict)
    _looked: dict[str, datetime] = field(default_factory=dict)

    async def tidy(self, files: PublicFiles, tenant: str, kept: Sequence[Snapshot], now: datetime) -> int:
        """`kept`: all snapshots of the tenant in the table. Gives how many files went. Raises PublicFilesError."""
        looked = self._looked.get(tenant)
        if looked is not None and abs(now - looked) < self.every:
            return 0
        self._looked[tenant] = now
        named = set().union(*(_files_of(each) for each in kept))
        there = [name for name in await files.names(f"{folder(tenant)}sets") if name not in named]
        since = self._unnamed.get(tenant, {})
        self._unnamed[tenant] = since = {name: min(since.get(name, now), now) for name in there}
        doomed = [name for name, seen in since.items() if now - seen >= self.grace]
        await files.remove([set_path(tenant, name) for name in doomed])
        for name in doomed:
            del since[name]
        return len(doomed)


def _files_of(made: Snapshot) -> set[str]:
    digest = sha256_hex(made.manifest)
    return {digest, f"{digest}.sig", f"{digest}.tlog-proof", *named_files(Manifest.parse(made.manifest))}
