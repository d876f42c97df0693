"""The guard file: the newest released checkpoint, with the log's own signature lines. Put it on another volume.

Two slots of 16 KiB, written in turn, each behind one line that says how to judge it:

    hallmark-log-guard v1 <number> <length> <SHA-256 in hex>
    <length bytes: the signed note>

and filled up with newlines. The slot that is whole and has the larger number counts: a write that tears leaves the
other one. The file never changes its length, so a checkpoint costs one write and one fsync, no rename.
"""

import asyncio
import errno
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from hallmark_tlog.errors import TlogError
from hallmark_tlog.note import parse_note
from kms.core.errors import Reason, Unavailable
from kms.log.memory.remembered import Seen, own_lines, read_seen, unreadable
from kms.log.model import PublishedCheckpoint, TreeHead
from kms.public.durable import sync_folder

_SLOT_BYTES: Final = 16_384
_SLOTS: Final = 2
_HEAD: Final = re.compile(rb"hallmark-log-guard v1 ([1-9][0-9]{0,18}) ([1-9][0-9]{0,4}) ([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class _Slot:
    number: int
    note: bytes


class GuardFile:
    """See `remembered.Memory`. One process at a time; every replica has its own."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._written: tuple[str, TreeHead] | None = None
        self._number = 0

    @property
    def where(self) -> str:
        return f"the guard file {self._path}"

    async def recall(self, origin: str) -> Seen | None:  # noqa: ARG002 - one file, one log at a time
        return await asyncio.to_thread(self._recall)

    async def remember(self, origin: str, published: PublishedCheckpoint) -> None:
        """Raises Unavailable: nothing is published that could not be remembered."""
        if self._written is not None and self._written[0] == origin and self._written[1].size >= published.head.size:
            return  # signed again: the same tree
        try:
            await asyncio.to_thread(self._write, own_lines(origin, published.note))
        except OSError as error:
            raise Unavailable(
                Reason.INTERNAL,
                f"{self.where} can not be written ({error.strerror or error}), and no checkpoint is published without "
                "it: make room or mend the volume, or set log.guard_file",
                retry_after_seconds=5,
            ) from error
        self._written = (origin, published.head)

    async def close(self) -> None:
        """Every checkpoint is there already."""

    def _recall(self) -> Seen | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise unreadable(self.where, error.strerror or str(error)) from error
        slot = _newest(content)
        if slot is None:
            raise unreadable(self.where, "no slot of it is whole")
        try:
            text = parse_note(slot.note).text
        except TlogError as error:
            raise unreadable(self.where, str(error)) from error
        seen = read_seen(text, self.where, slot.note)
        self._number, self._written = slot.number, (seen.origin, seen.head)
        return seen

    def _write(self, note: bytes) -> None:
        if self._number == 0:
            self._recall()  # for the number
        number = self._number + 1
        slot = _format(_Slot(number, note))
        if self._path.exists():
            with self._path.open("r+b", buffering=0) as file:
                if os.pwrite(file.fileno(), slot, number % _SLOTS * _SLOT_BYTES) != _SLOT_BYTES:
                    raise OSError(errno.EIO, "written in part")
                os.fsync(file.fileno())
        else:
            self._begin(slot, number)
        self._number = number

    def _begin(self, slot: bytes, number: int) -> None:
        """The whole file or none."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self._path.with_name(self._path.name + ".new")
        with fresh.open("wb") as file:
            for place in range(_SLOTS):
                file.write(slot if place == number % _SLOTS else b"\n" * _SLOT_BYTES)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        sync_folder(self._path.parent)


def _format(slot: _Slot) -> bytes:
    head = f"hallmark-log-guard v1 {slot.number} {len(slot.note)} {_digest(slot)}\n".encode()
    content = head + slot.note
    if len(content) > _SLOT_BYTES:
        raise OSError(errno.EFBIG, f"a note of {len(slot.note)} bytes does not fit")
    return content.ljust(_SLOT_BYTES, b"\n")


def _newest(content: bytes) -> _Slot | None:
    slots = [_parse(content[place * _SLOT_BYTES : (place + 1) * _SLOT_BYTES]) for place in range(_SLOTS)]
    return max((slot for slot in slots if slot is not None), key=lambda slot: slot.number, default=None)


def _parse(content: bytes) -> _Slot | None:
    """None for a slot that was never written, or not to its end."""
    head = _HEAD.match(content)
    if head is None:
        return None
    number, length, digest = int(head[1]), int(head[2]), head[3].decode()
    slot = _Slot(number, content[head.end() : head.end() + length])
    return slot if len(slot.note) == length and _digest(slot) == digest else None


def _digest(slot: _Slot) -> str:
    return hashlib.sha256(f"{slot.number}\n".encode() + slot.note).hexdigest()
