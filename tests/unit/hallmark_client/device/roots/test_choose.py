"""Roots by address: what opens, and errors that teach."""

from contextlib import closing
from pathlib import Path

import pytest

from hallmark_client.device.errors import RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.device.roots.choose import AddressInvalid, open_root, secret_file
from hallmark_client.device.roots.offers import best_root, root_offers
from support.bridges import served_reference
from support.device_tokens import token_of_this_process


def test_addresses_open(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"correct horse battery staple\n")
    secret.chmod(0o600)
    assert open_root(f"passphrase:{tmp_path}/root", passphrase=secret_file(secret)).facts.name == "passphrase"
    with served_reference(tmp_path) as path:
        assert open_root(f"bridge:{path}").facts.name == "bridge"


def test_a_token_by_its_uri(tmp_path: Path) -> None:
    token = token_of_this_process()
    pin = tmp_path / "pin"
    pin.write_bytes(bytes(token.pin()))
    pin.chmod(0o600)
    uri = f"pkcs11:token=%64evice;object=by-uri?module-path={token.place.module}"
    with closing(open_root(f"{uri}&pin-source=file:{pin}")) as root:
        assert "'by-uri'" in root.facts.detail
    with pytest.raises(AddressInvalid, match="PIN"):
        open_root(uri)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "tpm",
        "memory:",
        "tpm2:",
        "passphrase:",
        "passphrase:/somewhere",
        "bridge:",
        "bridge:/x?uid=root",
        "bridge:/x?gid=1",
        "keyring:A B",
        "pkcs11:",
        "pkcs11:token=a",
        "pkcs11:token=a?module-path=",
        "pkcs11:token=a;token=b?module-path=/x",
        "pkcs11:token=a?module-path=/x",
        "pkcs11:token=a?module-path=/x&pin-value=1234",
    ],
)
def test_what_is_no_address_says_what_to_write(address: str) -> None:
    with pytest.raises(RootUnavailable) as caught:
        open_root(address)
    assert "1234" not in str(caught.value)
    if not address.startswith("keyring"):
        assert isinstance(caught.value, AddressInvalid)


def test_a_secret_file_is_its_users_alone(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    for content, mode in ((None, 0), (b"\n", 0o600), (b"correct horse", 0o644)):
        if content is not None:
            secret.write_bytes(content)
            secret.chmod(mode)
        with pytest.raises(RootUnavailable):
            secret_file(secret)()


def test_offers_are_honest_and_make_nothing() -> None:
    offers = root_offers()
    strength = list(Enforcement)
    assert {offer.address.partition(":")[0] for offer in offers} >= {"tpm2", "keyring", "passphrase"}
    assert all(offer.detail for offer in offers)
    assert all(offer.assurance is Enforcement.PLATFORM for offer in offers if "softhsm" in offer.address)
    assert best_root() in offers
    assert best_root().ready
    ranks = [strength.index(offer.assurance) for offer in offers]
    assert ranks == sorted(ranks)
