import asyncio
import shutil
import sqlite3
from pathlib import Path

import pytest

from kms.public.files import FolderPublicFiles
from kms.server.home import Home
from support.log_world import ORIGIN, LogWorld


async def _make(home: Path, url: str | None = None) -> None:
    world = LogWorld(home, files=FolderPublicFiles(home / "public"), url=url)
    await world.open()
    await world.log.prepare()
    await world.act(300)
    await world.log.step()
    await world.close()
    if url is None:
        world.path.rename(home / "hallmark.db")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    asyncio.run(_make(home))
    return home


@pytest.fixture
def home(template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(template, tmp_path / "home"))


def _damage(home: Path, statement: str) -> None:
    connection = sqlite3.connect(home / "hallmark.db")
    with connection:
        assert connection.execute(statement).rowcount == 1
    connection.close()


def test_a_sound_log_ends_0(hallmark, home) -> None:
    found = hallmark("log", "fsck", "--home", home, "--json").document
    (log,) = found["logs"]
    assert (found["sound"], log["origin"], log["entries"], log["published"]) == (True, ORIGIN, 300, 300)
    assert log["files"] >= 5
    assert "The log is sound" in hallmark("log", "fsck", "--home", home).out


def test_every_finding_is_told_and_ends_1(hallmark, home) -> None:
    _damage(home, "UPDATE tlog_entry SET data = x'00' WHERE idx = 5")
    (home / "public" / "tile" / "0" / "000").write_bytes(bytes(8192))
    outcome = hallmark("log", "fsck", "--home", home, "--json")
    places = [finding["place"] for finding in outcome.document["findings"]]
    assert (outcome.code, outcome.document["sound"], outcome.document["findings_total"]) == (1, False, 3)
    assert places == ["entry 5", "tile/entries/000", "tile/0/000"]
    assert "3 findings: the log is NOT sound" in hallmark("log", "fsck", "--home", home).out


def _contents(home: Path) -> dict[Path, bytes]:
    """Without the files that are only there to be locked."""
    return {path: path.read_bytes() for path in home.rglob("*") if path.is_file() and path.name != "lock"}


def test_it_changes_nothing(hallmark, home) -> None:
    before = _contents(home)
    assert hallmark("log", "fsck", "--home", home).code == 0
    assert _contents(home) == before


def test_another_database_with_and_without_its_files(hallmark, home, tmp_path) -> None:
    url = f"sqlite:///{home / 'hallmark.db'}"
    arguments = ("log", "fsck", "--home", tmp_path / "none", "--database", url)
    assert hallmark(*arguments, "--json").document["logs"][0]["published"] is None
    assert hallmark(*arguments, "--public", home / "public", "--json").document["logs"][0]["published"] == 300
    assert not (tmp_path / "none").exists()


def test_a_home_that_is_in_use_or_none_ends_2(hallmark, home, tmp_path) -> None:
    server = Home(home)
    server.open()
    outcome = hallmark("log", "fsck", "--home", home, "--json")
    server.close()
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "HOME_IN_USE")
    outcome = hallmark("log", "fsck", "--home", tmp_path / "none", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "DATABASE_UNFIT")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("url", ["bogus", "mysql://x/y", "postgresql://x/y", "sqlite:///{folder}/other"])
def test_what_is_no_database_of_ours_ends_2(hallmark, tmp_path, url: str) -> None:
    (tmp_path / "other").write_bytes(b"\x7fELF" * 1000)
    arguments = ("log", "fsck", "--home", tmp_path, "--database", url.format(folder=tmp_path), "--json")
    outcome = hallmark(*arguments)
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "DATABASE_UNFIT")
    assert "Traceback" not in outcome.err


def test_a_database_of_another_version_ends_2(hallmark, home) -> None:
    _damage(home, "UPDATE alembic_version SET version_num = '0001'")
    outcome = hallmark("log", "fsck", "--home", home)
    assert outcome.code == 2
    assert "of version 0001" in outcome.err


def test_a_database_without_a_log_ends_2(hallmark, home) -> None:
    _damage(home, "DELETE FROM tlog_state")
    outcome = hallmark("log", "fsck", "--home", home, "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "LOG_MISSING")


def test_postgresql_is_read_while_servers_run(hallmark, tmp_path, postgresql_tables: str) -> None:
    """The home of a server that runs is locked; its database is not the home's."""
    asyncio.run(_make(tmp_path, postgresql_tables))
    server = Home(tmp_path)
    server.open()
    arguments = ("log", "fsck", "--home", tmp_path, "--database", postgresql_tables, "--public", tmp_path / "public")
    found = hallmark(*arguments, "--json").document
    server.close()
    assert (found["sound"], found["logs"][0]["entries"], found["logs"][0]["published"]) == (True, 300, 300)
