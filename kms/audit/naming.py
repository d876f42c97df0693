"""What of a request's names, and of a peer's address, is written down: names as they are spelled by the rules, without
what is random, and without more of an address than is needed.
"""

import ipaddress
import re
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

from kms.core.names import UUID_PATTERN

ANY: Final = "-"
"""In place of an id (AIP-159): one among many."""
UNREADABLE: Final = "?"
NAMES_MAX: Final = 16
"""Of one call that are counted; a batch of more counts for the first of them."""
_BYTES_MAX: Final = 512
_NAME: Final = re.compile(r"tenants/(?:-|[a-z][a-z0-9-]{0,62})(?:/[A-Za-z0-9._-]{1,128}){0,7}")
_RANDOM: Final = re.compile(rf"/(?:{UUID_PATTERN}|[0-9a-f]{{64}})(?=/|$)")
_VERSION: Final = re.compile(r"/versions/[0-9]{1,9}$")
_PREFIXES: Final = {4: 24, 6: 48}


def shown(name: str) -> str:
    """For a line: a name that is spelled as names are, or "?": a caller may put anything into the field."""
    return _shown(name) if len(name) <= _BYTES_MAX else UNREADABLE


def kinds(names: tuple[str, ...], tenant: str) -> tuple[str, ...]:
    """For counting: each once, without versions and random ids. No name: the tenant is meant."""
    if not names:
        return (_tenant_name(tenant),)
    if len(names) == 1:
        return (kind(names[0]),)
    return tuple(dict.fromkeys(kind(name) for name in names[:NAMES_MAX]))


def kind(name: str) -> str:
    return _kind(name) if len(name) <= _BYTES_MAX else UNREADABLE


def collection(kind: str) -> str:
    """tenants/t/keys/manifest as tenants/t/keys/-: where there are too many to tell them apart."""
    head, slash, _ = kind.rpartition("/")
    return f"{head}/{ANY}" if slash and head.count("/") >= 2 else kind


def network(peer: str, *, full: bool) -> str:
    """Of gRPC's "ipv4:192.0.2.7:4711" the network 192.0.2.0/24; of IPv6 a /48; the address itself where `full`. Empty
    for what is no address, such as a Unix socket.
    """
    scheme, _, place = unquote(peer).partition(":")
    host = place.rpartition(":")[0].strip("[]")
    try:
        address = ipaddress.ip_address(host) if scheme in {"ipv4", "ipv6"} else None
    except ValueError:
        return ""
    if address is None:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    prefix = address.max_prefixlen if full else _PREFIXES[address.version]
    return str(ipaddress.ip_network(f"{str(address).partition('%')[0]}/{prefix}", strict=False))


@lru_cache(maxsize=2048)
def _shown(name: str) -> str:
    return name if _NAME.fullmatch(name) else UNREADABLE


@lru_cache(maxsize=2048)
def _kind(name: str) -> str:
    if not _NAME.fullmatch(name):
        return UNREADABLE
    return _RANDOM.sub(f"/{ANY}", _VERSION.sub("", name))


@lru_cache(maxsize=2048)
def _tenant_name(tenant: str) -> str:
    return f"tenants/{tenant}"
