"""Reading files before they are asked for: over a network an audit waits for round trips, not for hashes."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice

from hallmark_tlog.fetch import Fetch
from hallmark_tlog.tiles import TILE_WIDTH, tile_at

_FILES_PER_WORKER = 4


def paths_of(first: int, size: int) -> Iterator[str]:
    """Every bundle and level-0 tile with an entry in [first, size), in the order in which a rebuild reads them."""
    for index in range(first // TILE_WIDTH, -(-size // TILE_WIDTH)):
        yield tile_at(None, index, size).path
        yield tile_at(0, index, size).path


@contextmanager
def fetching_ahead(fetch: Fetch, paths: Iterable[str], *, connections: int) -> Iterator[Fetch]:
    """`fetch` by so many threads at once, up to four files for each of them before they are needed.

    `paths` is what will be asked for, in this order; other paths are fetched when they are asked for. `fetch` must be
    thread-safe (those of `fetch` are). An error is raised by the call that asks for the file.
    """
    if connections <= 1:
        yield fetch
        return
    due = iter(paths)
    begun: OrderedDict[str, Future[bytes]] = OrderedDict()
    with ThreadPoolExecutor(connections, thread_name_prefix="fetch") as workers:

        def begin(count: int) -> None:
            for path in islice(due, count):
                begun[path] = workers.submit(fetch, path)

        def answer(path: str) -> bytes:
            future = begun.pop(path, None)
            if future is None:
                return fetch(path)
            begin(1)
            return future.result()

        begin(_FILES_PER_WORKER * connections)
        try:
            yield answer
        finally:
            for future in begun.values():
                future.cancel()
