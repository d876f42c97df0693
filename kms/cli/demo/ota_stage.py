"""What the steps of the release and of the phone that takes it share: folders, the phone, and what was made known."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kms.cli.demo.stage import hold

if TYPE_CHECKING:
    from hallmark_client.device.life import Device
    from hallmark_client.device.roots.port import RootOfTrust
    from hallmark_release.trust import ReleaseTrust
    from hallmark_release.verify import VerifiedRelease

MODEL: Final = "pocket-assistant"
VERSION: Final = "1.0.0"
_PATIENCE_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.02


@dataclass(slots=True)
class OtaStage:
    """Attributes without a value are set by the step that makes them."""

    folder: Path
    """Publisher and phone have each a folder in it."""
    trust: "ReleaseTrust" = field(init=False)
    """What the phone was made with: the repository's root, two keys, the log."""
    release: "VerifiedRelease" = field(init=False)
    consent: str = field(init=False)
    removal: str = field(init=False)
    root: "RootOfTrust | None" = None
    device: "Device | None" = None

    @property
    def model(self) -> Path:
        """The publisher's plaintext."""
        return self.folder / "publisher" / "model"

    @property
    def built(self) -> Path:
        return self.folder / "publisher" / "built"

    @property
    def repository(self) -> Path:
        """What a web server would serve."""
        return self.folder / "repository"

    @property
    def phone(self) -> Path:
        return self.folder / "phone"

    @property
    def vault(self) -> Path:
        return self.phone / "vault"

    @property
    def copy(self) -> Path:
        """Of the vault, by somebody who had the phone for a minute."""
        return self.folder / "copy"

    def running(self) -> "Device":
        assert self.device is not None, "a step before has enrolled it"
        return self.device

    def turn_off(self) -> None:
        if self.device is not None:
            self.device.close()
            self.device = None

    def close(self) -> None:
        self.turn_off()
        if self.root is not None:
            self.root.close()
            self.root = None


def until(condition: Callable[[], object], problem: str) -> None:
    """Looks again and again. Raises DemoFailed after half a minute."""
    end = time.monotonic() + _PATIENCE_SECONDS
    while not condition():
        hold(time.monotonic() < end, problem)
        time.sleep(_LOOK_SECONDS)


def milliseconds_since(began: float) -> float:
    """began: time.monotonic()."""
    return round((time.monotonic() - began) * 1000, 1)
