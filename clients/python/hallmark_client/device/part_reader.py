"""What every reader of a file of an artifact has in common: a position, and reads from any place beside it."""

import io
from abc import abstractmethod
from typing import TYPE_CHECKING, Final

from hallmark_client.device.model import Artifact, Part

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer


class PartReader(io.RawIOBase):
    """Seekable raw IO over `size` bytes of plaintext. `pread` and `pread_into` leave the position alone."""

    def __init__(self, artifact: Artifact, part: Part) -> None:
        super().__init__()
        self.artifact: Final = artifact
        self.part: Final = part
        self._position = 0

    @property
    def size(self) -> int:
        """Of the plaintext, in bytes."""
        return self.part.size

    @abstractmethod
    def pread(self, offset: int, size: int) -> bytes:
        """Up to `size` bytes from `offset` on; fewer only at the end."""

    @abstractmethod
    def pread_into(self, offset: int, buffer: "WriteableBuffer") -> int:
        """Fills `buffer` from `offset` on, and says with how many bytes."""

    def readinto(self, buffer: "WriteableBuffer") -> int:
        count = self.pread_into(self._position, buffer)
        self._position += count
        return count

    def readall(self) -> bytes:
        found = self.pread(self._position, max(0, self.size - self._position))
        self._position += len(found)
        return found

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if start + offset < 0:
            raise ValueError(f"no position {start + offset}")
        self._position = start + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True
