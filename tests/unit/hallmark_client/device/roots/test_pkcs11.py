"""The token root on SoftHSM: its keys, its PIN, what a crash leaves, and what it may call itself."""

import uuid
from pathlib import Path

import pkcs11 as driver
import pytest

from hallmark_client.device.errors import RootLost, RootUnavailable
from hallmark_client.device.model import Enforcement
from hallmark_client.device.roots.pkcs11 import open_pkcs11_root
from hallmark_client.device.roots.pkcs11_token import TokenPlace
from support.device_tokens import token_of_this_process


@pytest.fixture
def token():
    return token_of_this_process()


@pytest.fixture
def name() -> str:
    return uuid.uuid4().hex


def keys(root) -> dict:
    return root._token.carry_out(root._keys)


def test_softhsm_is_never_called_hardware(token, name: str) -> None:
    root = open_pkcs11_root(token.place, token.pin, name=name)
    assert root.facts.assurance is Enforcement.PLATFORM
    assert "is a program" in root.facts.caveats[-1]
    root.close()


def test_its_key_never_leaves_the_token(token, name: str) -> None:
    root = open_pkcs11_root(token.place, token.pin, name=name)
    (key,) = keys(root)[1]
    with pytest.raises(driver.PKCS11Error):
        _ = key[driver.Attribute.VALUE]
    for attribute, expected in {
        "EXTRACTABLE": False,
        "SENSITIVE": True,
        "WRAP": False,
        "NEVER_EXTRACTABLE": True,
    }.items():
        assert key[driver.Attribute[attribute]] is expected
    root.close()


def test_a_wrong_pin_is_sent_once(token, name: str) -> None:
    asked = []
    wrong = uuid.uuid4().hex[:8].encode()

    def pin() -> bytes:
        asked.append(1)
        return wrong

    for _ in range(5):
        with pytest.raises(RootUnavailable, match="not tried again") as caught:
            open_pkcs11_root(token.place, pin, name=name)
        assert wrong.decode() not in str(caught.value)
    root = open_pkcs11_root(token.place, token.pin, name=name)
    assert root.epoch() == 1
    root.close()


@pytest.mark.parametrize("pin", [b"", b"123", b"\xff\xff\xff\xff", bytes(256)])
def test_what_can_be_no_pin_is_not_sent(token, name: str, pin: bytes) -> None:
    with pytest.raises(RootUnavailable, match="PIN"):
        open_pkcs11_root(token.place, lambda: pin, name=name)


def test_a_token_or_library_that_is_not_there(token, name: str, tmp_path: Path) -> None:
    (tmp_path / "no.so").write_bytes(b"no library")
    for place in (
        TokenPlace(token.place.module, "another", None),
        TokenPlace(token.place.module, None, "no such serial"),
        TokenPlace(tmp_path / "nothing.so", "device", None),
        TokenPlace(tmp_path / "no.so", "device", None),
    ):
        with pytest.raises(RootUnavailable):
            open_pkcs11_root(place, token.pin, name=name)


@pytest.mark.parametrize("made", [0, 1, 2])
def test_a_crash_within_advance_leaves_one_epoch_or_the_other(token, name: str, made: int) -> None:
    """After the next key was made (by one process, or by two at once), before the old one was destroyed."""
    root = open_pkcs11_root(token.place, token.pin, name=name)
    present = root.seal(b"kek", epoch=1, label=b"l")
    for _ in range(made):
        root._token.carry_out(lambda session: root._generate(session, 2))
    root.close()
    root = open_pkcs11_root(token.place, token.pin, name=name)
    assert root.epoch() == 1
    assert root.open(present, epoch=1, label=b"l") == b"kek"
    ahead = root.seal(b"kek2", epoch=2, label=b"l")
    root.advance(2)
    assert list(keys(root)) == [2]
    assert root.open(ahead, epoch=2, label=b"l") == b"kek2"
    with pytest.raises(RootLost):
        root.open(present, epoch=1, label=b"l")
    root.close()


def test_keys_that_are_gone_are_a_lost_root(token, name: str) -> None:
    root = open_pkcs11_root(token.place, token.pin, name=name)
    blob = root.seal(b"kek", epoch=1, label=b"l")
    keys(root)[1][0].destroy()
    for act in (root.epoch, lambda: root.open(blob, epoch=1, label=b"l")):
        with pytest.raises(RootLost):
            act()
    root.close()


def test_a_key_from_outside_is_not_used(token, name: str) -> None:
    root = open_pkcs11_root(token.place, token.pin, name=name)
    planted = {
        driver.Attribute.CLASS: driver.ObjectClass.SECRET_KEY,
        driver.Attribute.KEY_TYPE: driver.KeyType.AES,
        driver.Attribute.VALUE: bytes(32),
        driver.Attribute.LABEL: f"hallmark root {name} epoch 2",
        driver.Attribute.ID: bytes(16),
        driver.Attribute.TOKEN: True,
        driver.Attribute.ENCRYPT: True,
    }
    root._token.carry_out(lambda session: session.create_object(planted))
    with pytest.raises(RootUnavailable, match="from outside"):
        root.seal(b"kek", epoch=2, label=b"l")
    root.close()


def test_one_root_that_closes_does_not_log_the_others_out(token) -> None:
    one, two = (open_pkcs11_root(token.place, token.pin, name=uuid.uuid4().hex) for _ in range(2))
    blob = two.seal(b"kek", epoch=1, label=b"l")
    one.close()
    assert two.open(blob, epoch=1, label=b"l") == b"kek"
    two.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the driver ends a search in it
def test_a_session_that_ended_is_opened_again(token, name: str) -> None:
    root = open_pkcs11_root(token.place, token.pin, name=name)
    blob = root.seal(b"kek", epoch=1, label=b"l")
    root._token._session.close()
    assert root.open(blob, epoch=1, label=b"l") == b"kek"
    root.close()
