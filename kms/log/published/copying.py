"""Copies what a checkpoint needs from one place of public files to another."""

from collections.abc import Awaitable, Callable, Iterator
from itertools import islice

from hallmark_tlog.tiles import Tile
from kms.log import tiles
from kms.public.errors import PublicFilesUnavailable
from kms.public.files import PublicFile, PublicFiles

Read = Callable[[str], Awaitable[bytes | None]]
"""A file's content by its path; None when it is not there."""
_AT_ONCE = 64


async def copy_tiles(
    read: Read, target: PublicFiles, *, before: int, size: int, progress: Callable[[int], None] | None = None
) -> None:
    """The tiles and bundles that a checkpoint of `size` needs and one of `before` did not.

    Copying again is harmless, so `before` may be 0. `progress` hears how many files are done. Raises PublicFilesError:
    PublicFilesUnavailable also for a file that the source should have, PublicFileChanged for one the target has other.
    """
    due: Iterator[Tile] = tiles.due_tiles(before, [size]) if size > before else iter(())
    done = 0
    while batch := [tile.path for tile in islice(due, _AT_ONCE)]:
        await target.add([await read_one(read, path) for path in batch])
        done += len(batch)
        if progress is not None:
            progress(done)


async def read_one(read: Read, path: str) -> PublicFile:
    """Raises PublicFilesUnavailable when it is not there."""
    content = await read(path)
    if content is None:
        raise PublicFilesUnavailable(path, "is not where it is to be copied from")
    return PublicFile(path, content)
