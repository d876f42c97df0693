"""The network address behind gRPC's name of a peer, and the networks that triggers name."""

import re
from collections.abc import Mapping
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final, TypeAlias

from kms.tenants.model import Trigger

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network
Regions: TypeAlias = Mapping[str, tuple[Network, ...]]
"""Names that the settings give to networks."""

# gRPC's naming (doc/naming.md): IPv6 in brackets, which newer releases percent-encode as a URI asks for.
_IPV4: Final = re.compile(r"ipv4:([0-9.]{7,15}):[0-9]{1,5}")
_IPV6: Final = re.compile(r"ipv6:(?:\[([0-9a-f:.]{2,45})\]|%5B([0-9a-f:.]{2,45})%5D):[0-9]{1,5}")


@lru_cache(maxsize=4096)
def address_of(peer: str) -> Address | None:
    """Of "ipv4:192.0.2.1:40000" or "ipv6:[2001:db8::1]:40000" (also with %5B and %5D). None for everything else: Unix
    sockets, zones such as fe80::1%eth0, what is not known. An IPv4 address inside an IPv6 one is the IPv4 address.
    """
    found = _IPV4.fullmatch(peer) or _IPV6.fullmatch(peer)
    if found is None:
        return None
    try:
        address = ip_address(next(part for part in found.groups() if part is not None))
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def is_near(trigger: Trigger, peer: str, regions: Regions) -> bool:
    """Whether the networks and regions of a trigger fit this peer; both, where both are given.

    It fits where that can not be told, because the trigger protects: an address that is not known, a region that no
    setting defines, a network that does not parse.
    """
    if not trigger.networks and not trigger.regions:
        return True
    address = address_of(peer)
    if address is None:
        return True
    by_network = not trigger.networks or _holds(_parsed(trigger.networks), address)
    by_region = not trigger.regions or any(_holds(regions.get(name), address) for name in trigger.regions)
    return by_network and by_region


def _holds(networks: tuple[Network, ...] | None, address: Address) -> bool:
    return networks is None or any(address in network for network in networks)


@lru_cache(maxsize=1024)
def _parsed(networks: tuple[str, ...]) -> tuple[Network, ...] | None:
    try:
        return tuple(ip_network(network) for network in networks)
    except ValueError:
        return None
