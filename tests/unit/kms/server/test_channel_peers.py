"""Where a peer is, and which triggers fit it."""

from ipaddress import ip_address, ip_network

import pytest

from kms.server.channel_peers import address_of, is_near
from kms.tenants.model import Trigger

OFFICE = {"office": (ip_network("10.20.0.0/16"), ip_network("2001:db8::/32"))}
INSIDE, OUTSIDE = "ipv4:10.20.3.4:40000", "ipv4:192.0.2.1:40000"


@pytest.mark.parametrize(
    ("peer", "address"),
    [
        ("ipv4:127.0.0.1:42174", "127.0.0.1"),
        ("ipv6:[::1]:43798", "::1"),
        ("ipv6:%5B2001:db8::7%5D:1", "2001:db8::7"),
        ("ipv6:%5B::ffff:10.20.3.4%5D:1", "10.20.3.4"),
    ],
)
def test_the_names_grpc_gives_are_read(peer: str, address: str) -> None:
    assert address_of(peer) == ip_address(address)


@pytest.mark.parametrize(
    "peer",
    [
        "",
        "unknown",
        "unix:",
        "unix:/run/hallmark.sock",
        "ipv4:127.0.0.1",
        "ipv4:127.0.0.1:",
        "ipv4:127.0.0.1:1:2",
        "ipv4:127.0.0.01:1",
        "ipv4:256.0.0.1:1",
        "ipv4:[127.0.0.1]:1",
        "ipv6:::1:1",
        "ipv6:[::1%5D:1",
        "ipv6:[fe80::1%25eth0]:1",
        "ipv6:[::1]:1 ",
        "IPV4:127.0.0.1:1",
    ],
)
def test_anything_else_has_no_address(peer: str) -> None:
    assert address_of(peer) is None


@pytest.mark.parametrize(
    ("trigger", "is_inside", "is_outside"),
    [
        (Trigger(), True, True),
        (Trigger(networks=("10.20.0.0/16",)), True, False),
        (Trigger(networks=("192.0.2.0/24", "10.20.0.0/16")), True, True),
        (Trigger(regions=("office",)), True, False),
        (Trigger(networks=("10.20.3.0/24",), regions=("office",)), True, False),
        (Trigger(networks=("192.0.2.0/24",), regions=("office",)), False, False),
        (Trigger(networks=("2001:db8::/32",)), False, False),
    ],
)
def test_networks_and_regions_both_have_to_fit(trigger: Trigger, is_inside: bool, is_outside: bool) -> None:
    assert is_near(trigger, INSIDE, OFFICE) is is_inside
    assert is_near(trigger, OUTSIDE, OFFICE) is is_outside


def test_what_can_not_be_told_fits() -> None:
    """The trigger protects: an address, a region or a network that is not known is no way around it."""
    assert is_near(Trigger(networks=("10.20.0.0/16",)), "unix:", OFFICE)
    assert is_near(Trigger(regions=("moon",)), OUTSIDE, OFFICE)
    assert is_near(Trigger(networks=("10.20.0.1/16",)), OUTSIDE, OFFICE)
