"""A port that a server can have again after it was killed."""

import secrets
import socket
from typing import Final

_PORTS: Final = range(20_000, 32_000)
"""Below the ports that Linux gives away by itself (32768 to 60999, ip(7)), so that nobody gets it in between."""


def lasting_port() -> int:
    """Of 127.0.0.1, free at this moment. Raises OSError when a thousand in a row are taken."""
    for _ in range(1_000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            port = secrets.choice(_PORTS)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError("no free port of 127.0.0.1 was found")
