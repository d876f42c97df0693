"""A log's public files over HTTP on loopback: by the project's own application, and by a server that knows nothing."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from kms.public.http import PublicServer, public_app


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """By kms.public.http, in a thread of its own. The block gets the URL, with a slash at its end."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        server = PublicServer(public_app(folder))
        yield asyncio.run_coroutine_threadsafe(server.start(), loop).result() + "/"
        asyncio.run_coroutine_threadsafe(server.close(), loop).result()
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def served_plainly(folder: Path) -> Iterator[str]:
    """By the static file server of the standard library: no type, no cache rule, no compression."""
    with _PlainServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


class _PlainServer(ThreadingHTTPServer):
    request_queue_size = 128  # readers come many at once; the default of 5 makes them wait for a second try


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Says nothing."""
