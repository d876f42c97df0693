import os
from pathlib import Path

import pytest

from hsm.backup import folder
from hsm.errors import BackupInvalid, RestoreFailed, TokenUnavailable
from hsm.pkcs11.use import exclusive_use, is_occupied, share_use

FILES = {"token.json": b"{}", "token-pin": b"1234", "tokens/uuid/token.object": b"x", "tokens/uuid/empty.lock": b""}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    target = tmp_path / "data"
    folder.write_new(target, FILES)
    (target / "softhsm2.conf").write_text("made anew at every start")
    (target / "setup.lock").touch()
    assert folder.read_standing(target) == FILES
    assert {path.stat().st_mode & 0o777 for path in target.rglob("*") if path.parent != target} == {0o700, 0o600}


@pytest.mark.parametrize(
    "path",
    ["../x", "/etc/passwd", "tokens", "tokens/../../x", "tokens/./x", "tokens//x", "other", "token-pin/x", "", "."],
)
def test_only_a_tokens_own_files_are_written(tmp_path: Path, path: str) -> None:
    with pytest.raises(BackupInvalid):
        folder.write_new(tmp_path / "data", {**FILES, path: b""})
    assert not (tmp_path / "data").exists()


def test_a_folder_without_a_token_is_no_backup(tmp_path: Path) -> None:
    with pytest.raises(TokenUnavailable, match="no token"):
        folder.read_standing(tmp_path)


def test_a_switch_swaps_the_folders_at_once(tmp_path: Path) -> None:
    staged, target, kept = tmp_path / "staged", tmp_path / "data", tmp_path / "kept"
    for place, word in ((staged, "new"), (target, "old")):
        place.mkdir()
        (place / "word").write_text(word)
    folder.switch_in(staged, target, kept=kept)
    assert (target / "word").read_text() == "new"
    assert (kept / "word").read_text() == "old"
    assert not staged.exists()


def test_a_switch_into_nothing_keeps_nothing(tmp_path: Path) -> None:
    staged, target, kept = tmp_path / "staged", tmp_path / "data", tmp_path / "kept"
    staged.mkdir()
    folder.switch_in(staged, target, kept=kept)
    assert target.exists()
    assert not kept.exists()


def test_a_switch_that_fails_leaves_both_as_they_were(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staged, target, kept = tmp_path / "staged", tmp_path / "data", tmp_path / "kept"
    staged.mkdir()
    target.mkdir()
    (target / "word").write_text("old")

    def refuse(first: Path, second: Path) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(folder, "_exchange", refuse)
    with pytest.raises(RestoreFailed, match="Invalid argument"):
        folder.switch_in(staged, target, kept=kept)
    assert (target / "word").read_text() == "old"
    assert staged.exists()
    assert not kept.exists()


def test_services_share_a_folder_and_a_restore_has_it_alone(tmp_path: Path) -> None:
    first, second = share_use(tmp_path / "data"), share_use(tmp_path / "data")
    assert not is_occupied(tmp_path / "data")
    with pytest.raises(RestoreFailed, match="stop it first"), exclusive_use(tmp_path / "data"):
        pass
    for descriptor in (first, second):
        os.close(descriptor)
    with (
        exclusive_use(tmp_path / "data"),
        pytest.raises(TokenUnavailable, match="being replaced"),
    ):
        share_use(tmp_path / "data")
    os.close(share_use(tmp_path / "data"))
