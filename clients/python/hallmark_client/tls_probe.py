"""Why nobody answers. gRPC core tells a refused certificate, a closed port and a dying server almost alike.

So after a failed connection this looks once more from outside, with the profile's authority and without the client's
certificate: is somebody there, is it our server, does TLS work?
"""

import contextlib
import socket
import ssl
from enum import Enum, auto
from typing import Final

_TIMEOUT_SECONDS: Final = 1.0
_DEFAULT_PORT: Final = 443


class Finding(Enum):
    """What a look at the address shows."""

    NOBODY = auto()
    """Nobody listens, or does not answer in time."""
    NOT_TLS = auto()
    """Somebody is there and does not speak TLS."""
    STRANGER = auto()
    """TLS, with a certificate that the profile's authority did not make, or for another name."""
    SERVER = auto()
    """Our server: its certificate is right."""


def look(address: str, ca_pem: bytes) -> Finding:
    """Connect to host:port, complete a TLS handshake, close. Takes a second or two at most. Never raises."""
    host, port = _split(address)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.set_alpn_protocols(["h2"])
    try:
        context.load_verify_locations(cadata=ca_pem.decode("ascii"))
        places = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError):
        return Finding.NOBODY
    found = Finding.NOBODY
    for family, kind, _, _, place in places:
        found = _look_there(context, socket.socket(family, kind), place, host)
        if found is not Finding.NOBODY:
            break
    return found


def _look_there(context: ssl.SSLContext, unconnected: socket.socket, place: object, host: str) -> Finding:
    # Wrapped before it connects: wrapping a connection that is just being reset leaks it (CPython 3.11).
    with context.wrap_socket(unconnected, server_hostname=host) as connection:
        connection.settimeout(_TIMEOUT_SECONDS)
        try:
            connection.connect(place)  # type: ignore[arg-type]
            return Finding.SERVER
        except ssl.SSLCertVerificationError:
            return Finding.STRANGER
        except (TimeoutError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
            # Closed without a word: a balancer whose replica is dying, or that replica.
            return Finding.NOBODY
        except ssl.SSLError:
            return Finding.NOT_TLS
        except OSError:
            return Finding.NOBODY


def _split(address: str) -> tuple[str, int]:
    """Of host:port, [ipv6]:port or host, as gRPC takes them."""
    host, colon, port = address.rpartition(":")
    if not colon or host.endswith(":") or "]" in port:
        return address.strip("[]"), _DEFAULT_PORT
    with contextlib.suppress(ValueError):
        return host.strip("[]"), int(port)
    return address, _DEFAULT_PORT
