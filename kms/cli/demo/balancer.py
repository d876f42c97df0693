"""A load balancer of the fourth layer: each connection goes to the next replica that takes it.

It knows nothing of TLS: clients and replicas authenticate each other through it.
"""

import asyncio
import contextlib
import functools
import itertools
import threading
from collections.abc import Callable, Sequence
from typing import Final

_CHUNK: Final = 1 << 16
_CONNECT_SECONDS: Final = 2.0


class Balancer:
    """Runs in a thread of its own from `start` to `close`. `replicas`: host:port of each."""

    def __init__(self, replicas: Sequence[str]) -> None:
        self._replicas = tuple(replicas)
        self._next = itertools.cycle(range(len(self._replicas)))
        self._listening = threading.Event()
        self._end: Callable[[], object] = lambda: None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="demo-balancer", daemon=True)
        self.address = ""

    def start(self) -> None:
        """`address` is set when it returns."""
        self._thread.start()
        self._listening.wait()

    def close(self) -> None:
        """Ends every connection. Idempotent."""
        if self._thread.is_alive():
            self._end()
            self._thread.join()

    async def _serve(self) -> None:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        self._end = functools.partial(loop.call_soon_threadsafe, stop.set)
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = loop.create_task(self._carry(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self.address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._listening.set()
        await stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Until either side has ended: then both have."""
        with contextlib.closing(writer):
            found = await self._connect()
            if found is None:
                return
            to_client, to_replica = (found[0], writer), (reader, found[1])
            with contextlib.closing(found[1]):
                pumps = [asyncio.ensure_future(_pump(*each)) for each in (to_client, to_replica)]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """None when no replica is there."""
        for _ in self._replicas:
            host, _, port = self._replicas[next(self._next)].rpartition(":")
            with contextlib.suppress(OSError, TimeoutError):
                return await asyncio.wait_for(asyncio.open_connection(host, int(port)), _CONNECT_SECONDS)
        return None


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while data := await reader.read(_CHUNK):
            writer.write(data)
            await writer.drain()
