import pytest
from hypothesis import given
from hypothesis import strategies as st

from kms.audit.naming import NAMES_MAX, UNREADABLE, collection, kind, kinds, network, shown

UUID = "01890a5d-ac96-774b-bcce-b302099a8057"


@pytest.mark.parametrize(
    ("name", "counted"),
    [
        ("tenants/default/keys/manifest", "tenants/default/keys/manifest"),
        ("tenants/default/keys/manifest/versions/12", "tenants/default/keys/manifest"),
        (f"tenants/default/devices/{UUID}", "tenants/default/devices/-"),
        (f"tenants/default/artifacts/{'a' * 64}", "tenants/default/artifacts/-"),
        ("tenants/default/accessPolicies/3", "tenants/default/accessPolicies/3"),
        ("tenants/-", "tenants/-"),
        ("hunter2", UNREADABLE),
        ("tenants/default/keys/a b", UNREADABLE),
        ('tenants/default/keys/x","outcome":"OK', UNREADABLE),
        ("tenants/default/keys/" + "a" * 4_000_000, UNREADABLE),
    ],
    ids=lambda text: text[:40],
)
def test_a_kind_has_no_version_and_no_random_id(name: str, counted: str) -> None:
    assert kind(name) == counted


def test_no_name_means_the_tenant() -> None:
    assert kinds((), "acme") == ("tenants/acme",)


def test_of_a_batch_each_name_counts_once_and_not_too_many() -> None:
    names = tuple(f"tenants/a/keys/k{number % 3}" for number in range(9))
    assert kinds(names, "a") == ("tenants/a/keys/k0", "tenants/a/keys/k1", "tenants/a/keys/k2")
    assert len(kinds(tuple(f"tenants/a/keys/k{number}" for number in range(100)), "a")) == NAMES_MAX


def test_too_many_things_of_a_collection_stand_as_one() -> None:
    assert collection("tenants/a/keys/k1") == "tenants/a/keys/-"
    assert collection("tenants/a") == "tenants/a"
    assert collection(UNREADABLE) == UNREADABLE


@given(st.text(max_size=600))
def test_nothing_in_a_line_can_end_a_string(name: str) -> None:
    assert not set('"\\\n\r ') & set(shown(name))
    assert not set('"\\\n\r ') & set(kind(name))


@pytest.mark.parametrize(
    ("peer", "coarse", "full"),
    [
        ("ipv4:192.0.2.77:4711", "192.0.2.0/24", "192.0.2.77/32"),
        ("ipv6:%5B2001:db8:1:2::5%5D:443", "2001:db8:1::/48", "2001:db8:1:2::5/128"),
        ("ipv6:[::1]:3", "::/48", "::1/128"),
        ("ipv6:%5Bfe80::1%25eth0%5D:1", "fe80::/48", "fe80::1/128"),
        ("ipv6:[::ffff:10.0.0.7]:9", "10.0.0.0/24", "10.0.0.7/32"),
        ("unix:/run/hallmark.sock", "", ""),
        ("nobody knows", "", ""),
        ("", "", ""),
    ],
)
def test_an_address_is_kept_as_its_network(peer: str, coarse: str, full: str) -> None:
    assert network(peer, full=False) == coarse
    assert network(peer, full=True) == full


@given(st.text(max_size=100))
def test_any_peer_is_read(peer: str) -> None:
    network(peer, full=False)
    network(f"ipv6:{peer}", full=True)
