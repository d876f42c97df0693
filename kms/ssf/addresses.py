"""Where a push may go: https to public addresses, and http to this machine. The receiver writes the URL, so it is
checked twice: when it is configured, and its addresses each time before one of them is connected to. What the name
resolves to is checked and that very address is used, so that a name that changes in between leads nowhere else.
"""

import asyncio
import re
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

URL_CHARACTERS_MAX: Final = 2048
_PRINTABLE: Final = re.compile(r"[!-~]+", re.ASCII)
_HOST: Final = re.compile(r"[A-Za-z0-9_.-]{1,253}|[0-9A-Fa-f:.]{2,45}", re.ASCII)
_NAT64: Final = IPv6Network("64:ff9b::/96")
"""RFC 6052: the last 32 bits are an IPv4 address."""

Address = IPv4Address | IPv6Address
Networks = Sequence[IPv4Network | IPv6Network]


class AddressRefused(Exception):
    """Nothing is sent there; the text says why."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Of a push. `target`: path and query."""

    is_tls: bool
    host: str
    port: int
    target: str

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (443 if self.is_tls else 80) else f"{host}:{self.port}"


def parse_endpoint(url: str, networks: Networks) -> Endpoint:
    """Raises AddressRefused."""
    if len(url) > URL_CHARACTERS_MAX or not _PRINTABLE.fullmatch(url):
        raise AddressRefused(f"endpoint_url is a URL of at most {URL_CHARACTERS_MAX} ASCII characters")
    try:
        parts = urlsplit(url)
        endpoint = _endpoint(parts)
    except ValueError:
        raise AddressRefused("endpoint_url is not a URL") from None
    if parts.username is not None or parts.password is not None or parts.fragment or not _HOST.fullmatch(endpoint.host):
        raise AddressRefused("endpoint_url has a host, and neither a user nor a fragment")
    if (literal := _literal(endpoint.host)) is not None:
        check_address(literal, networks, is_tls=endpoint.is_tls)
    elif not endpoint.is_tls and endpoint.host != "localhost":
        raise AddressRefused("http is for this machine only; use https")
    return endpoint


async def resolve(endpoint: Endpoint, networks: Networks) -> list[str]:
    """The addresses that may be connected to, in the system's order. Raises AddressRefused when one of the host's may
    not be reached, and OSError.
    """
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(endpoint.host, endpoint.port, type=socket.SOCK_STREAM)
    addresses = [ip_address(str(each[4][0]).partition("%")[0]) for each in found]
    for address in addresses:
        check_address(address, networks, is_tls=endpoint.is_tls)
    return [str(address) for address in addresses]


def check_address(address: Address, networks: Networks, *, is_tls: bool) -> None:
    """Raises AddressRefused for a private one that no setting names, and for http to another machine."""
    real = _embedded(address)
    if not is_tls and not real.is_loopback:
        raise AddressRefused("http is for this machine only; use https")
    is_named = any(real in network for network in networks)
    if not is_named and (not real.is_global or real.is_multicast or real.is_reserved):
        raise AddressRefused("the address is private; an operator may name its network in ssf.push_networks")


def _embedded(address: Address) -> Address:
    """The IPv4 address that an IPv6 one stands for (RFC 4291 2.5.5.2, RFC 3056, RFC 6052)."""
    if isinstance(address, IPv4Address):
        return address
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address


def _endpoint(parts: SplitResult) -> Endpoint:
    if parts.scheme not in {"https", "http"}:
        raise AddressRefused("endpoint_url is an https URL")
    is_tls = parts.scheme == "https"
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    port = parts.port if parts.port is not None else (443 if is_tls else 80)
    if port == 0:
        raise AddressRefused("endpoint_url has a port that can not be")
    return Endpoint(is_tls, parts.hostname or "", port, target)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None
