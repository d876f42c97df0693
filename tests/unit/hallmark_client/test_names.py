import pytest

from hallmark_client.names import Names

NAMES = Names("acme")


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("manifest", "tenants/acme/keys/manifest"),
        ("keys/manifest", "tenants/acme/keys/manifest"),
        ("manifest/versions/2", "tenants/acme/keys/manifest/versions/2"),
        ("tenants/other/keys/manifest", "tenants/other/keys/manifest"),
    ],
)
def test_keys(given: str, full: str) -> None:
    assert NAMES.key(given) == full


def test_devices_and_challenges() -> None:
    assert NAMES.device("1") == NAMES.device("devices/1") == "tenants/acme/devices/1"
    assert NAMES.challenge("1") == NAMES.challenge("challenges/1") == "tenants/acme/challenges/1"
    assert NAMES.parent == "tenants/acme"


def test_a_short_subject_is_a_key_unless_it_says_device() -> None:
    assert NAMES.subject("manifest/versions/1") == "tenants/acme/keys/manifest/versions/1"
    assert NAMES.subject("devices/1") == "tenants/acme/devices/1"
    assert NAMES.subject("tenants/acme/devices/1") == "tenants/acme/devices/1"
