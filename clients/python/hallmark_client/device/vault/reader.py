"""What `get` gives: plaintext of one file of an artifact, from any place, for as long as it may be used."""

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from hallmark_client.device.chunks import SealedFile
from hallmark_client.device.errors import DeviceError
from hallmark_client.device.model import Artifact, Part
from hallmark_client.device.part_reader import PartReader

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

RECHECK_SECONDS: Final = 1.0
"""A reader that is open asks again whether it may, when it is used after this time."""
_PIECE: Final = 4 * 1024 * 1024
"""A long read asks in between, so that it ends with the artifact: well under a second of a slow disk."""


class ArtifactReader(PartReader):
    """Seekable raw IO. `pread` and `pread_into` leave the position alone, and may be called from any thread.

    Every read raises ArtifactSuspended or ArtifactUnknown as soon as the artifact was suspended, deleted or lost its
    lease; PolicyViolation once the policy lets this caller read it no more; ContentInvalid where its bytes were
    changed; StoreFailed where the disk does not give them. No byte is given that was not authenticated.
    """

    def __init__(
        self, file: SealedFile, artifact: Artifact, part: Part, may: Callable[[], None], monotonic: Callable[[], float]
    ) -> None:
        super().__init__(artifact, part)
        self._file = file
        self._may = may
        self._monotonic = monotonic
        self._asked = monotonic()
        self._end: DeviceError | None = None

    def pread(self, offset: int, size: int) -> bytes:
        found = io.BytesIO(bytes(max(0, min(size, self.size - offset))))  # takes and gives its bytes without a copy
        with found.getbuffer() as buffer:
            self._fill(offset, buffer)
        return found.getvalue()

    def pread_into(self, offset: int, buffer: "WriteableBuffer") -> int:
        return self._fill(offset, memoryview(buffer).cast("B"))

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def end(self, error: DeviceError) -> None:
        """The vault takes it back: every later use raises `error`."""
        self._end = error
        self._file.close()

    def forked(self, error: DeviceError) -> None:
        """In the child of a fork: every later use raises `error`; nothing is waited for, a lock may never be free."""
        self._end = error

    def _fill(self, offset: int, buffer: memoryview) -> int:
        at, count = 0, _PIECE
        while count == _PIECE:
            self._check(offset)
            piece = buffer[at : at + _PIECE]
            try:
                count = self._file.read_into(offset + at, piece)
            except ValueError:
                raise self._end or ValueError("I/O operation on closed file") from None
            at += count
        return at

    def _check(self, offset: int) -> None:
        if offset < 0:
            raise ValueError(f"no position {offset}")
        if self._end is not None:
            raise self._end
        now = self._monotonic()
        if now - self._asked >= RECHECK_SECONDS:
            self._may()
            self._asked = now
