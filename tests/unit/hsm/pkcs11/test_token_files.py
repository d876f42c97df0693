from pathlib import Path

import pytest

from hsm.pkcs11.token_files import keep_copies, mend

GOOD = b"what SoftHSM wrote" * 20


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens" / "5fa1" / "token.object"
    file.parent.mkdir(parents=True)
    file.write_bytes(GOOD)
    keep_copies(tmp_path)
    return file


@pytest.mark.parametrize("left", [b"", GOOD[:-1]])
def test_a_file_that_was_cut_short_is_put_back(tmp_path: Path, token_file: Path, left: bytes) -> None:
    token_file.write_bytes(left)
    assert mend(tmp_path) == ["5fa1"]
    assert token_file.read_bytes() == GOOD
    assert token_file.stat().st_mode & 0o777 == 0o600
    assert mend(tmp_path) == []


def test_a_file_that_is_gone_is_put_back_but_a_token_that_was_moved_away_is_not(
    tmp_path: Path, token_file: Path
) -> None:
    token_file.unlink()
    assert mend(tmp_path) == ["5fa1"]
    token_file.parent.rename(tmp_path / "elsewhere")
    assert mend(tmp_path) == []


def test_newer_contents_are_kept_and_become_the_copy(tmp_path: Path, token_file: Path) -> None:
    newer = GOOD[::-1]
    token_file.write_bytes(newer)
    assert mend(tmp_path) == []
    keep_copies(tmp_path)
    token_file.write_bytes(b"")
    mend(tmp_path)
    assert token_file.read_bytes() == newer


def test_an_empty_file_never_becomes_the_copy(tmp_path: Path, token_file: Path) -> None:
    token_file.write_bytes(b"")
    keep_copies(tmp_path)
    mend(tmp_path)
    assert token_file.read_bytes() == GOOD


def test_nothing_to_keep_is_fine(tmp_path: Path) -> None:
    keep_copies(tmp_path)
    assert mend(tmp_path) == []
