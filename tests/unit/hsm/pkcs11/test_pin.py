from pathlib import Path

import pytest

from hsm.errors import PinAway, PinMissing, SetupError
from hsm.pkcs11.pin import ensure_pin_file, read_pin


def test_a_file_loses_only_its_last_line_end(tmp_path: Path) -> None:
    path = tmp_path / "pin"
    path.write_bytes(b" 12 34 \r\n")
    assert read_pin(path, None, {}).reveal() == b" 12 34 "


def test_a_variable_is_read_once(tmp_path: Path) -> None:
    environ = {"PIN": "1234"}
    assert read_pin(None, "PIN", environ).reveal() == b"1234"
    assert environ == {}


def test_no_pin_says_where_to_put_it(tmp_path: Path) -> None:
    (tmp_path / "empty").write_bytes(b"\n")
    with pytest.raises(PinAway, match="nowhere"):
        read_pin(tmp_path / "nowhere", None, {})
    with pytest.raises(PinAway, match="empty"):
        read_pin(tmp_path / "empty", None, {})
    with pytest.raises(PinMissing, match="variable PIN"):
        read_pin(None, "PIN", {})
    with pytest.raises(PinMissing):
        read_pin(None, None, {})


@pytest.mark.parametrize("pin", [b"123", b"x" * 256, b"\xff\xfe\xfd\xfc"], ids=["short", "long", "not text"])
def test_a_pin_no_token_takes_is_refused_without_showing_it(tmp_path: Path, pin: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(pin)
    with pytest.raises(SetupError) as caught:
        read_pin(path, None, {})
    assert "xxx" not in str(caught.value)
    assert "123" not in str(caught.value).replace(str(path), "")


def test_a_folder_is_no_pin_file(tmp_path: Path) -> None:
    with pytest.raises(PinAway, match="cannot be read"):
        read_pin(tmp_path, None, {})


def test_a_made_pin_is_random_private_and_kept(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    ensure_pin_file(first)
    ensure_pin_file(second)
    pin = read_pin(first, None, {})
    assert pin != read_pin(second, None, {})
    assert len(pin) == 32
    assert first.stat().st_mode & 0o777 == 0o600
    ensure_pin_file(first)
    assert read_pin(first, None, {}) == pin


def test_a_pin_that_cannot_be_written_is_a_setup_error(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match="cannot be created"):
        ensure_pin_file(tmp_path / "no" / "folder" / "pin")
