"""Somebody who reads the status files all the time, from the public folder alone: do they hold at every moment?"""

import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from hallmark_events.errors import EventsError
from hallmark_events.manifest import Manifest, sha256_hex
from hallmark_events.snapshot import Snapshot, verify_manifest
from hallmark_events.verified import EventVerifier
from support.permission_phones import PARENT, Trust

_LOOK_SECONDS: Final = 0.1
_AFRESH: Final = 5
"""Each so many manifests are read by somebody who has nothing, too."""


class StatusReader:
    """`numbers`: of the manifests that were verified, in the order they were seen. `wrong`: what may never be."""

    def __init__(self, public: Path, trust: Trust) -> None:
        self._folder = public / "status" / "default"
        self._verifier = EventVerifier(trusted_keys=trust.keys, log_policy=trust.log, parent=PARENT)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="status-reader")
        self.snapshot = Snapshot()
        self.numbers: list[int] = []
        self.wrong: list[str] = []

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(30)

    def wait_for(self, sequence: int, seconds: float = 30) -> None:
        """Until the files tell of the global feed up to there."""
        deadline = time.monotonic() + seconds
        while self.snapshot.state.sequence < sequence:
            assert not self.wrong, self.wrong
            assert time.monotonic() < deadline, f"published up to {self.snapshot.state.sequence}, not to {sequence}"
            time.sleep(_LOOK_SECONDS)

    def look(self) -> bool:
        """Whether there was another manifest. Raises what verifying raises, RolledBack among it."""
        try:
            data = self._read("manifest.json")
        except FileNotFoundError:
            if self.numbers:
                raise
            return False  # not published yet
        if self.snapshot.seen is not None and sha256_hex(data) == self.snapshot.seen.sha256:
            return False
        self._verify(data, self.snapshot)
        self.numbers.append(Manifest.parse(data).number)
        if len(self.numbers) % _AFRESH == 0:
            self._verify(data, Snapshot())
        return True

    def _verify(self, data: bytes, snapshot: Snapshot) -> None:
        beside = f"sets/{sha256_hex(data)}"
        verified = verify_manifest(
            data,
            self._read(f"{beside}.sig"),
            self._read(f"{beside}.tlog-proof"),
            self._verifier,
            tenant="default",
            seen=snapshot.seen,
            now=datetime.now(UTC),
        )
        snapshot.update(verified, self._read, self._verifier)

    def _read(self, path: str) -> bytes:
        return (self._folder / path).read_bytes()

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_SECONDS):
            try:
                self.look()
            except (EventsError, OSError) as error:
                self.wrong.append(f"{type(error).__name__}: {error}")
                return
