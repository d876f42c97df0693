from pathlib import Path

import pytest

from kms.cli.failure import ExitCode, explain
from kms.cli.release.disk import writing


def test_a_full_disk_is_told_with_its_place_and_what_to_do() -> None:
    with pytest.raises(OSError, match="No space") as full, writing(Path("built")):
        Path("/dev/full").write_bytes(b"x")
    told = explain(full.value)
    assert (told.exit_code, told.message) == (ExitCode.NOT_USABLE, "built: No space left on device")
    assert "Make room" in told.advice


def test_what_has_a_name_keeps_it() -> None:
    with pytest.raises(FileNotFoundError) as missing, writing(Path("built")):
        Path("none").read_bytes()
    assert missing.value.filename == "none"


def test_what_is_no_error_of_the_system_is_let_through() -> None:
    with pytest.raises(OSError, match="of our own") as own, writing(Path("built")):
        raise OSError("of our own")
    assert own.value.filename is None
