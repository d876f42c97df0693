"""Memories outside the database: the largest checkpoint that this log released. What catches a restored backup.

A database that was set back would sign other entries at the same places, and nothing inside it can tell. The public
folder remembers, but it may have been restored with the database. So each checkpoint is also written, before it is
published or proves anything, to places that are restored on their own, if at all: a file (`guard_file`) and the token
(`guard_token`); the export bucket and the witnesses remember too. At start all are asked; what any of them saw and the
database does not hold means: refuse to sign.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from hallmark_tlog.checkpoint import Checkpoint, parse_checkpoint
from hallmark_tlog.errors import TlogError
from hallmark_tlog.note import Note, parse_note
from kms.core.database import Database
from kms.log.errors import LogForked, LogFrozen
from kms.log.memory import guard
from kms.log.model import PublishedCheckpoint, TreeHead


@dataclass(frozen=True, slots=True)
class Seen:
    """A checkpoint that was released once, and where it is remembered; its signed note where that is kept too."""

    origin: str
    head: TreeHead
    where: str
    note: bytes = b""


class Memory(Protocol):
    """One place. `recall` answers None where nothing was remembered yet, and raises LogForked for what is unreadable.

    `remember` returns when it is durable, or when this place has chosen to be asked less often; a place that cannot be
    relied on raises. `close` is the last chance. One caller at a time.
    """

    @property
    def where(self) -> str:
        """For people: what it is and where to find it."""

    async def recall(self, origin: str) -> Seen | None: ...

    async def remember(self, origin: str, published: PublishedCheckpoint) -> None: ...

    async def close(self) -> None: ...


class Memories:
    """All of them, for one log."""

    def __init__(self, memories: Sequence[Memory], *, origin: str) -> None:
        self._memories = memories
        self._origin = origin

    async def compare(self, database: Database, published: PublishedCheckpoint | None, head: TreeHead) -> None:
        """Everything that was ever seen is in the database. `published`: what the public folder shows; only its size
        is looked at, the rest when there are keys to verify it with. `head`: of the database.

        Raises LogRolledBack, LogForked: for the largest checkpoint that is not, naming every place that remembers it.
        """
        for seen in await self.recall(published if published is not None and published.head.size > head.size else None):
            await database.read(
                functools.partial(guard.check_seen, origin=seen.origin, head=seen.head, where=seen.where)
            )

    async def recall(self, published: PublishedCheckpoint | None) -> list[Seen]:
        """What all of them saw, and the public folder; the largest first. Raises LogForked for what is unreadable."""
        found = [seen for memory in self._memories if (seen := await memory.recall(self._origin)) is not None]
        if published is not None:
            found.append(Seen(self._origin, published.head, "the public folder", published.note))
        return _largest_first(found)

    async def remember(self, published: PublishedCheckpoint) -> None:
        """Call before `published` is shown to anybody. Raises what a place raises that could not write it."""
        for memory in self._memories:
            await memory.remember(self._origin, published)

    async def close(self) -> None:
        for memory in self._memories:
            await memory.close()


def _largest_first(found: Sequence[Seen]) -> list[Seen]:
    """Places that remember the same are named together."""
    together: dict[tuple[str, TreeHead], Seen] = {}
    for seen in found:
        other = together.get((seen.origin, seen.head))
        where = seen.where if other is None else f"{other.where} and {seen.where}"
        note = seen.note if other is None else other.note or seen.note
        together[seen.origin, seen.head] = Seen(seen.origin, seen.head, where, note)
    return sorted(together.values(), key=lambda seen: seen.head.size, reverse=True)


def own_lines(origin: str, note: bytes) -> bytes:
    """The note without the lines of witnesses. Raises TlogError."""
    parsed = parse_note(note)
    return bytes(Note(parsed.text, tuple(line for line in parsed.signatures if line.name == origin)))


def read_seen(text: str, where: str, note: bytes = b"") -> Seen:
    """From a checkpoint's text. Raises LogForked."""
    try:
        checkpoint = parse_checkpoint(text)
    except TlogError as error:
        raise unreadable(where, str(error)) from error
    return Seen(checkpoint.origin, TreeHead(checkpoint.size, checkpoint.root), where, note)


def checkpoint_text(origin: str, head: TreeHead) -> str:
    return str(Checkpoint(origin, head.size, head.root))


def unreadable(where: str, problem: str) -> LogFrozen:
    return LogForked(
        f"{where} cannot be read ({problem}), so nobody knows whether the database was set back. Put the true one "
        "back; only when you are sure that the database is the newest, move it away and start again"
    )
