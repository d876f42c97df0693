"""Cuts between a replica and its database: packets that get lost on the way, without a word to either side.

`Namespaces` does it in the kernel: the second replica lives in a network namespace of its own, whose only way to
PostgreSQL is made a black hole (needs root and iproute2). `Relay` does it anywhere: PostgreSQL is reached through a
relay of the test, which stops reading and writing, and neither refuses nor ends anything.
"""

import asyncio
import contextlib
import functools
import os
import shutil
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import pytest
import sqlalchemy as sa

from support.postgresql import Cluster

_CHUNK: Final = 1 << 16


class Relay:
    """Between a replica and PostgreSQL, in a thread of its own, from `start` to `close`."""

    def __init__(self, url: str) -> None:
        self._to = sa.make_url(url)
        self._listening = threading.Event()
        self._end: Callable[[], object] = lambda: None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._open: asyncio.Event | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), daemon=True)
        self._port = 0

    @property
    def url(self) -> str:
        """The same database, through here."""
        return self._to.set(host="127.0.0.1", port=self._port).render_as_string(hide_password=False)

    def start(self) -> "Relay":
        self._thread.start()
        self._listening.wait()
        return self

    def cut(self) -> None:
        assert self._loop is not None
        assert self._open is not None
        self._loop.call_soon_threadsafe(self._open.clear)

    def heal(self) -> None:
        assert self._loop is not None
        assert self._open is not None
        self._loop.call_soon_threadsafe(self._open.set)

    def close(self) -> None:
        if self._thread.is_alive():
            self._end()
            self._thread.join()

    async def _serve(self) -> None:
        self._loop, self._open, stop = asyncio.get_running_loop(), asyncio.Event(), asyncio.Event()
        self._open.set()
        self._end = functools.partial(self._loop.call_soon_threadsafe, stop.set)
        tasks: set[asyncio.Task[None]] = set()

        def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.get_running_loop().create_task(self._carry(reader, writer))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        server = await asyncio.start_server(accept, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await stop.wait()
        server.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._open is not None
        with contextlib.closing(writer), contextlib.suppress(OSError):
            await self._open.wait()
            theirs = await asyncio.open_connection(self._to.host, self._to.port)
            with contextlib.closing(theirs[1]):
                pumps = [
                    asyncio.ensure_future(self._pump(*each)) for each in ((reader, theirs[1]), (theirs[0], writer))
                ]
                try:
                    await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for pump in pumps:
                        pump.cancel()
                    await asyncio.gather(*pumps, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._open is not None
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK):
                await self._open.wait()
                writer.write(data)
                await writer.drain()


@dataclass(slots=True)
class Namespace:
    """Two veth pairs: clients reach the replica over the one, the replica its database over the other."""

    name: str = field(default_factory=lambda: f"hm{uuid.uuid4().hex[:8]}")
    _net: int = field(default_factory=lambda: int.from_bytes(os.urandom(1)))

    @property
    def prefix(self) -> tuple[str, ...]:
        """Runs a program in it."""
        return "ip", "netns", "exec", self.name

    @property
    def replica_address(self) -> str:
        return f"10.213.{self._net}.2"

    @property
    def database_address(self) -> str:
        """Of PostgreSQL, as seen from in there."""
        return f"10.214.{self._net}.1"

    def make(self) -> None:
        run("ip", "netns", "add", self.name)
        run("ip", "-n", self.name, "link", "set", "lo", "up")
        for letter, net in (("c", 213), ("d", 214)):
            outside, inside = f"{self.name}{letter}", f"{self.name}{letter}i"
            run("ip", "link", "add", outside, "type", "veth", "peer", "name", inside)
            run("ip", "link", "set", inside, "netns", self.name)
            run("ip", "addr", "add", f"10.{net}.{self._net}.1/30", "dev", outside)
            run("ip", "link", "set", outside, "up")
            run("ip", "-n", self.name, "addr", "add", f"10.{net}.{self._net}.2/30", "dev", inside)
            run("ip", "-n", self.name, "link", "set", inside, "up")

    def cut(self) -> None:
        """Nothing that PostgreSQL's side sends arrives any more, and so nothing is acknowledged either."""
        run("ip", "route", "add", "blackhole", f"10.214.{self._net}.2/32")

    def heal(self) -> None:
        run("ip", "route", "del", "blackhole", f"10.214.{self._net}.2/32")

    def remove(self) -> None:
        subprocess.run(
            ["ip", "route", "del", "blackhole", f"10.214.{self._net}.2/32"], capture_output=True, check=False
        )
        subprocess.run(["ip", "netns", "del", self.name], capture_output=True, check=False)
        for letter in "cd":
            subprocess.run(["ip", "link", "del", f"{self.name}{letter}"], capture_output=True, check=False)


def run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)


@contextlib.contextmanager
def namespace() -> Iterator[Namespace]:
    """Skips with a reason where that can not be had."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        pytest.skip("network namespaces need root and iproute2; the relay shows the same without")
    made = Namespace()
    try:
        made.make()
    except subprocess.CalledProcessError as error:
        made.remove()
        pytest.skip(f"this kernel or container has no network namespaces: {error.stderr.decode().strip()}")
    try:
        yield made
    finally:
        made.remove()


def let_in(cluster: Cluster) -> None:
    """PostgreSQL takes connections from namespaces, too, with the same password."""
    with (cluster.folder / "data" / "pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.214.0.0/16 scram-sha-256\n")
