"""Whatever a peer is called: reading the name never raises, and no name is a way around a trigger."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_network

from hypothesis import given
from hypothesis import strategies as st

from kms.server.channel_peers import address_of, is_near
from kms.tenants.model import Trigger

addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
ports = st.integers(0, 65535)
pieces = st.sampled_from(["ipv4:", "ipv6:", "unix:", "[", "]", "%5B", "%5D", ":", "::1", "10.0.0.1", "%", "1", " "])
names = st.one_of(st.text(), st.lists(pieces).map("".join))


def named(address: IPv4Address | IPv6Address, port: int, *, encoded: bool) -> str:
    if isinstance(address, IPv4Address):
        return f"ipv4:{address}:{port}"
    return f"ipv6:%5B{address}%5D:{port}" if encoded else f"ipv6:[{address}]:{port}"


@given(addresses, ports, st.booleans())
def test_every_address_is_read_back(address: IPv4Address | IPv6Address, port: int, encoded: bool) -> None:
    assert address_of(named(address, port, encoded=encoded)) == (getattr(address, "ipv4_mapped", None) or address)


@given(names)
def test_no_name_escapes_a_trigger_for_everything(peer: str) -> None:
    everywhere = Trigger(networks=("0.0.0.0/0", "::/0"))
    assert is_near(everywhere, peer, {})


@given(names, st.ip_addresses(v=4), st.integers(0, 32))
def test_outside_is_only_who_is_known_to_be(peer: str, address: IPv4Address, bits: int) -> None:
    network = ip_network((address, bits), strict=False)
    assert isinstance(network, IPv4Network)
    if not is_near(Trigger(networks=(str(network),)), peer, {}):
        found = address_of(peer)
        assert found is not None
        assert found not in network
