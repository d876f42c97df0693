"""An honest publisher, a device that has its first release, and whoever stands between them.

After each attack the device must be as it was: nothing of the new release is in the vault, no plaintext of it is on the
disk, the first release reads as before, the refusal is in the audit chain; and from the honest repository the device
gets the new release.
"""

import copy
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from hallmark_client.device.audit import AuditAct, AuditOutcome
from hallmark_release import BuiltRelease, ReleaseSource, Repository, Role
from hallmark_release.errors import SourceFailed
from hallmark_release.repository_state import RepositoryState
from unit.hallmark_client.device.updates.update_world import APP, MIB, CountingSource, UpdateDevice, no_plaintext
from unit.hallmark_release.release_world import MODEL, NOW, Publisher, later

OLD = {"config.json": b'{"layers": 2}' * 20, "weights.bin": secrets.token_bytes(70_000)}
CONFIG = b'{"layers": 4}' * 20
NEW = {"config.json": CONFIG, "more.bin": secrets.token_bytes(60_000), "weights.bin": secrets.token_bytes(60_000)}
LARGE = {"config.json": CONFIG, "more.bin": secrets.token_bytes(9 * MIB), "weights.bin": secrets.token_bytes(9 * MIB)}
"""Several pieces, for attacks on them and events between them."""
SOON = later(hours=1)


@dataclass
class Chaos:
    """`built`: the new release, as it is published honestly; its epoch is 2."""

    place: Path
    publisher: Publisher
    device: UpdateDevice
    files: dict[str, bytes]

    def __post_init__(self) -> None:
        self.publisher.publish(OLD, epoch=1)
        self.first_repository = shutil.copytree(self.publisher.served, self.place / "first")
        self.device.update()
        self.built: BuiltRelease | None = None

    def publish(self) -> None:
        self.built = self.publisher.publish(self.files, epoch=2, now=SOON)

    def publish_next(self) -> None:
        """What the publisher does when somebody had its online keys."""
        self.files = {**self.files, "next": b"3" * 100}
        self.built = self.publisher.publish(self.files, epoch=3, now=later(hours=3))

    def copied(self) -> Path:
        """The repository as the attacker serves it from now on."""
        folder = shutil.copytree(self.publisher.served, self.place / "attacker")
        self.device.source = CountingSource(folder)
        return folder

    def in_between(self) -> CountingSource:
        """The honest repository, with somebody on the way."""
        source = CountingSource(self.publisher.served)
        self.device.source = source
        return source

    def with_keys(self, folder: Path) -> Publisher:
        """Somebody who has the publisher's role keys, at work in another folder."""
        other = copy.copy(self.publisher)
        other.repository = Repository(folder, self.publisher.signer)
        return other

    def refused(self, error: type[Exception], source: ReleaseSource | None = None, **changed: Any) -> Exception:
        """The error of an update now, and the proof that nothing else came of it."""
        if source is not None:
            self.device.source = source
        before = self.device.vault.artifacts()
        with pytest.raises(error) as caught:
            self.device.update(**changed)
        assert type(caught.value) is error
        assert self.device.vault.artifacts() == before
        last = list(self.device.vault.audit.entries())[-1].record
        if not isinstance(caught.value, SourceFailed):
            assert (last.act, last.outcome) == (AuditAct.UPDATE_INSTALLED, AuditOutcome.DENIED)
            assert last.facts["error"] == error.__name__
        self.check_first()
        no_plaintext(self.device.folder, self.files)
        return caught.value

    def check_first(self) -> None:
        assert [(each.name, each.version) for each in self.device.vault.artifacts()] == [(MODEL, 1)]
        for path, data in OLD.items():
            assert self.device.vault.read(MODEL, part=path, caller=APP) == data
        self.device.vault.flush()

    def recovers(self) -> None:
        """From the honest repository."""
        self.device.source = CountingSource(self.publisher.served)
        self.device.update()
        assert self.built is not None
        self.device.check_installed(self.built, self.files)
        self.device.vault.audit.verify()


def change_metadata(folder: Path, publisher: Publisher, role: Role, change: Any, now: Any = SOON) -> None:
    """As somebody who has every online key: `change` gets python-tuf's object; all above it is signed again."""
    state = RepositoryState.load(folder)
    change(state.signed(role))
    state.write(folder, publisher.signer, changed={role}, now=now)


__all__ = ["LARGE", "MODEL", "NEW", "NOW", "OLD", "SOON", "Chaos", "change_metadata", "later"]
