"""Release build and update in a process of their own, like kms.cli.bench.vault_child."""

import json
import secrets
import shutil
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from hallmark_client.device.policy import VaultPolicy
from hallmark_client.device.roots.memory import MemoryRoot
from hallmark_client.device.updates import Updater
from hallmark_client.device.vault import Vault
from hallmark_release import BuiltRelease, ReleaseId, build_release, new_release_id
from kms.cli.bench.vault_child import APPLICATION, measured, timed
from kms.cli.bench.vault_publisher import BenchPublisher

MODEL: Final = "bench-1"
_KEY: Final = 32


class Bench:
    """folder/plain is what is released."""

    def __init__(self, folder: Path, rounds: int) -> None:
        self._folder = folder
        self._rounds = rounds
        self._key = secrets.token_bytes(_KEY)
        self._now = datetime.now(UTC)

    def run(self) -> dict[str, Any]:
        build = measured(lambda: [self._timed_build() for _ in range(self._rounds)])
        publisher = BenchPublisher(self._folder / "repository", self._now)
        publisher.publish(self._built, self._out)
        update = measured(lambda: [self._timed_update(publisher) for _ in range(self._rounds)])
        return {"build": build, "update": update}

    @property
    def _out(self) -> Path:
        return self._folder / "built"

    def _timed_build(self) -> float:
        shutil.rmtree(self._out, ignore_errors=True)
        return timed(self._build)

    def _build(self) -> None:
        self._built: BuiltRelease = build_release(
            self._folder / "plain",
            self._out,
            release=ReleaseId(tenant="default", model=MODEL, version="1.0.0", epoch=1, minimum_epoch=0),
            release_id=new_release_id(secrets.token_bytes),
            kind="model-weights",
            key=self._key,
        )

    def _timed_update(self, publisher: BenchPublisher) -> float:
        """On a device that has nothing yet."""
        device = self._folder / "device"
        with Vault.open(device / "vault", MemoryRoot(), policy=VaultPolicy.allow_own(APPLICATION)) as vault:
            updater = Updater(
                vault,
                publisher.repository.folder,
                publisher.trust,
                key_source=lambda _, *, epoch: bytearray(self._key),  # noqa: ARG005 - the port's name
                folder=device / "updates",
                now=lambda: self._now,
            )
            seconds = timed(lambda: updater.update(MODEL))
        shutil.rmtree(device)
        return seconds


def main() -> None:
    request = json.loads(sys.argv[-1])
    found = Bench(Path(request["folder"]), request["rounds"]).run()
    sys.stdout.write(json.dumps(found) + "\n")


if __name__ == "__main__":
    main()
