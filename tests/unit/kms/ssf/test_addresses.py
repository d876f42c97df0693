"""Where a push may go."""

from ipaddress import ip_address, ip_network

import pytest

from kms.ssf.addresses import AddressRefused, Endpoint, check_address, parse_endpoint, resolve

PRIVATE = (
    "10.0.0.1",
    "127.0.0.1",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.1.1",
    "100.64.0.1",
    "0.0.0.0",
    "224.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fd00::1",
    "ff02::1",
    "::ffff:10.0.0.1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a00:1",
    "2002:a00:1::1",
)


@pytest.mark.parametrize("text", PRIVATE)
def test_private_addresses_are_refused_unless_they_are_named(text: str) -> None:
    with pytest.raises(AddressRefused, match="private"):
        check_address(ip_address(text), (), is_tls=True)
    check_address(ip_address(text), (ip_network("0.0.0.0/0"), ip_network("::/0")), is_tls=True)


@pytest.mark.parametrize("text", ["93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"])
def test_public_addresses_are_for_https_only(text: str) -> None:
    check_address(ip_address(text), (), is_tls=True)
    with pytest.raises(AddressRefused, match="http is for this machine"):
        check_address(ip_address(text), (ip_network("0.0.0.0/0"),), is_tls=False)


def test_what_an_endpoint_is() -> None:
    assert parse_endpoint("https://mdm.example.com", ()) == Endpoint(True, "mdm.example.com", 443, "/")
    found = parse_endpoint("https://mdm.example.com:8443/a/b?c=d", ())
    assert (found.authority, found.target) == ("mdm.example.com:8443", "/a/b?c=d")
    found = parse_endpoint("https://[2606:2800:220:1:248:1893:25c8:1946]/", ())
    assert found.authority == "[2606:2800:220:1:248:1893:25c8:1946]"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mdm.example.com",
        "ftp://mdm.example.com/",
        "https://",
        "https:///x",
        "https://a b/",
        "https://user@mdm.example.com/",
        "https://:pass@mdm.example.com/",
        "https://mdm.example.com/#x",
        "https://mdm.example.com:0/",
        "https://mdm.example.com:99999/",
        "https://mdm.example.com:x/",
        "https://mdm.example.com/\r\nHost: other",
        "https://[::1",
        "https://[::1]/",
        "https://[fe80::1%25eth0]/",
        "http://mdm.example.com/",
        "https://m\u00fcnchen.example/",
        "https://mdm.example.com/" + "x" * 2048,
    ],
)
def test_what_is_no_endpoint(url: str) -> None:
    with pytest.raises(AddressRefused):
        parse_endpoint(url, ())


@pytest.mark.parametrize("host", ["localhost", "127.1", "2130706433"])
async def test_names_are_checked_by_what_they_resolve_to(host: str) -> None:
    endpoint = parse_endpoint(f"https://{host}/", ())
    with pytest.raises(AddressRefused, match="private"):
        await resolve(endpoint, ())
    found = await resolve(endpoint, (ip_network("127.0.0.0/8"), ip_network("::1/128")))
    assert "127.0.0.1" in found
    assert set(found) <= {"127.0.0.1", "::1"}
