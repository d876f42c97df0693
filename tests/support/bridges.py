"""Bridges for tests: a service on a socket, in a thread; anything that answers bytes with bytes will do."""

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from hallmark_client.device.roots.bridge_reference import reference_service
from hallmark_client.device.roots.bridge_server import listen, serve


@contextmanager
def served(folder: Path, answer: Callable[[bytes], bytes]) -> Iterator[Path]:
    """The socket; `answer` gets the body of each request and gives the frame to send."""
    path = folder / "run" / "bridge.sock"
    listener = listen(path)
    thread = threading.Thread(target=_until_closed, args=(listener, answer))
    thread.start()
    try:
        yield path
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        listener.close()


@contextmanager
def served_reference(folder: Path) -> Iterator[Path]:
    with served(folder, reference_service(folder / "state").answer) as path:
        yield path


def _until_closed(listener: socket.socket, answer: Callable[[bytes], bytes]) -> None:
    with contextlib.suppress(OSError):
        serve(listener, answer)
