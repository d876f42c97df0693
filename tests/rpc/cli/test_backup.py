"""Backups from a server that runs, and what becomes of them: restored whole, refused when older than the published log."""

import dataclasses
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hallmark_client import Client, Profile
from kms.app.backup import DATABASE, FILES, MANIFEST, TOKEN
from rpc.cli.conftest import warm_program as program
from support.postgresql import PostgresqlServer
from support.secrets_on_disk import find_secrets, secrets_of
from support.service import RunningService, running_service
from unit.kms.cli.console import Console


@dataclass(frozen=True)
class Backed:
    """A server whose log has gone on since it was backed up, and is stopped now."""

    service: RunningService
    backup: Path
    recovery_key: Path
    key: str
    manifest_sha256: str
    log_size: int


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backed]:
    folder = tmp_path_factory.mktemp("backup")
    settings = f"[log]\npublic_folder = '{folder / 'public'}'\nguard_file = '{folder / 'guard'}'\n"
    with running_service(folder / "home", settings=settings) as service:
        with service.client() as client:
            key = client.keys.create("manifest").name
            client.signing.sign(key, b"before", wait="published")
            assert program("hsm", "recovery-key", folder / "recovery.json", folder=folder).code == 0
            made = _create(service, folder / "backup", folder / "recovery.json.pub")
            client.signing.sign(key, b"after", wait="published")
        service.stop()
        document = made.document
        size = document["log"]["size"]
        yield Backed(service, folder / "backup", folder / "recovery.json", key, document["manifest_sha256"], size)


def _create(service: RunningService, output: Path, recipient: Path):
    where = ("--home", service.home, "--config", service.home / "settings.toml")
    made = program(
        "backup", "create", "--output", output, "--recipient", recipient, *where, "--json", folder=output.parent
    )
    assert made.code == 0, made.err
    return made


def _restore(backed: Backed, home: Path, *more: object):
    arguments = ("--home", home, "--recovery-key", backed.recovery_key, *more)
    return program("backup", "restore", backed.backup, *arguments, "--json", folder=home.parent)


def test_a_backup_is_sealed_but_for_its_manifest(backed: Backed) -> None:
    files = {path.name: path for path in backed.backup.iterdir()}
    assert files.keys() == {DATABASE, FILES, TOKEN, MANIFEST}
    assert {path.stat().st_mode & 0o777 for path in files.values()} == {0o600}
    assert backed.backup.stat().st_mode & 0o777 == 0o700
    assert not find_secrets(backed.backup, secrets_of(backed.service.home))
    for path in files.values():
        content = path.read_bytes()
        assert b"PRIVATE KEY" not in content
        assert b"SQLite format" not in content


@pytest.fixture
def console(capsys: pytest.CaptureFixture[str]) -> Console:
    """The command line in this process: quicker than a process for each."""
    return Console(capsys)


def test_a_backup_is_verified_without_a_key(backed: Backed, console: Console, tmp_path: Path) -> None:
    verify = ("backup", "verify")
    chosen = ("--manifest-sha256", backed.manifest_sha256)
    assert console(*verify, backed.backup).code == 0
    assert console(*verify, backed.backup, *chosen).code == 0
    assert console(*verify, backed.backup, "--manifest-sha256", "00" * 32).code == 1
    for name in (DATABASE, FILES, TOKEN, MANIFEST):
        other = tmp_path / name.replace(".", "-")
        shutil.copytree(backed.backup, other)
        content = bytearray((other / name).read_bytes())
        content[len(content) // 2] ^= 1
        (other / name).write_bytes(content)
        assert console(*verify, other, *chosen).code == 1, name
        (other / name).unlink()
        assert console(*verify, other).code == 1


def test_a_folder_that_is_not_empty_is_left_alone(backed: Backed, console: Console, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "mine").write_text("mine")
    refused = console("backup", "restore", backed.backup, "--home", home, "--recovery-key", backed.recovery_key)
    assert refused.code == 2
    assert "not empty" in refused.err
    assert [path.name for path in home.iterdir()] == ["mine"]
    again = ("backup", "create", "--output", backed.backup, "--recipient", f"{backed.recovery_key}.pub")
    refused = console(*again, "--home", backed.service.home)
    assert refused.code == 2
    assert "not empty" in refused.err


def test_another_recovery_key_opens_nothing(backed: Backed, console: Console, tmp_path: Path) -> None:
    assert console("hsm", "recovery-key", tmp_path / "other.json").code == 0
    arguments = ("--home", tmp_path / "home", "--recovery-key", tmp_path / "other.json")
    refused = console("backup", "restore", backed.backup, *arguments)
    assert refused.code == 2
    assert "another recovery key" in refused.err
    assert not list(tmp_path.glob("home*"))


def test_a_file_of_another_backup_is_not_taken(backed: Backed, console: Console, tmp_path: Path) -> None:
    mixed = tmp_path / "mixed"
    shutil.copytree(backed.backup, mixed)
    text = (mixed / MANIFEST).read_text()
    backup_id = text.split('"id": "')[1][:32]
    (mixed / MANIFEST).write_text(text.replace(backup_id, "0" * 32))
    arguments = ("--home", tmp_path / "home", "--recovery-key", backed.recovery_key)
    refused = console("backup", "restore", mixed, *arguments)
    assert refused.code == 2
    assert not list(tmp_path.glob("home*"))


def test_the_guard_refuses_an_older_log_and_a_log_that_follows_is_the_way_out(backed: Backed, tmp_path: Path) -> None:
    home = tmp_path / "home"
    restored = _restore(backed, home)
    assert restored.code == 0, restored.err
    assert restored.document["log_size"] == backed.log_size
    assert restored.document["keys_checked"] >= 5
    assert "hallmark log succeed --after-rollback" in restored.document["rollback_guard"]
    assert (home / "tls" / "ca.key").stat().st_mode & 0o777 == 0o600
    service = RunningService(home, backed.service.phone)
    with pytest.raises(RuntimeError, match="log succeed --after-rollback"):
        service.start()
    where = ("--home", home, "--config", home / "settings.toml")
    done = program("log", "succeed", "--after-rollback", "--new-origin", "log.example/2", *where, folder=tmp_path)
    assert done.code == 0, done.err
    service.start()
    try:
        address = str(service.facts["address"])
        old = Profile.load(backed.service.home / "clients" / "admin")
        with Client(_at(old, address)) as client:
            assert client.signing.sign(backed.key, b"again", wait="published").log.tlog_proof
    finally:
        assert service.stop() == 0


def _at(profile: Profile, address: str) -> Profile:
    """The certificates of before, at the restored server."""
    return dataclasses.replace(profile, address=address)


def test_postgresql_goes_through_its_own_tools(postgresql: PostgresqlServer, tmp_path: Path) -> None:
    if shutil.which("pg_dump") is None or shutil.which("pg_restore") is None:
        pytest.skip("pg_dump is not installed (apt install postgresql-client)")
    with postgresql.database() as url, postgresql.database() as other:
        settings = f"[database]\nurl = '{url}'\n[log]\npublic_folder = '{tmp_path / 'public'}'\n"
        with running_service(
            tmp_path / "home", settings=settings, environment={"HALLMARK__HSM__SIGNERS": "1"}
        ) as service:
            with service.client() as client:
                key = client.keys.create("manifest").name
                client.signing.sign(key, b"before", wait="published")
            assert program("hsm", "recovery-key", tmp_path / "recovery.json", folder=tmp_path).code == 0
            made = _create(service, tmp_path / "backup", tmp_path / "recovery.json.pub")
            assert postgresql.admin.password not in made.out + made.err
            assert service.stop() == 0
        arguments = ("--home", tmp_path / "again", "--recovery-key", tmp_path / "recovery.json")
        refused = program("backup", "restore", tmp_path / "backup", *arguments, folder=tmp_path)
        assert refused.code == 2
        assert "is not empty" in refused.err
        assert not list(tmp_path.glob("again*"))
        done = program("backup", "restore", tmp_path / "backup", *arguments, "--database-url", other, folder=tmp_path)
        assert done.code == 0, done.err
        shutil.rmtree(tmp_path / "public")  # another machine; here is what the old server logged after the backup
        again = RunningService(tmp_path / "again", service.phone, (), {"HALLMARK__DATABASE__URL": other})
        again.start()
        with again.client() as client:
            assert client.signing.sign(key, b"again").key_version == f"{key}/versions/1"
        assert again.stop() == 0
