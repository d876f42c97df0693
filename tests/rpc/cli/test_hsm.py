"""`hallmark hsm` as a user runs it: on the home of a running server, and on one that is stopped."""

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from rpc.cli.conftest import warm_program as program
from rpc.wire import fresh_name
from support.service import RunningService, running_service


@pytest.fixture(scope="module")
def used_home(tmp_path_factory: pytest.TempPathFactory) -> RunningService:
    """A stopped server's home with keys in it."""
    with running_service(tmp_path_factory.mktemp("used") / "home") as service:
        with service.client() as client:
            client.keys.create("manifest", wait="published")
            client.keys.create("telemetry", algorithm="HPKE-MLKEM768-X25519")
            client.keys.create("plain", algorithm="Ed25519")
        service.stop()
    return service


def copy_of(service: RunningService, folder: Path) -> RunningService:
    home = folder / "home"
    shutil.copytree(service.home, home)
    settings = home / "settings.toml"
    settings.write_text(settings.read_text().replace(str(service.home), str(home)))
    return RunningService(home, service.phone)


def test_doctor_beside_a_running_server(service: RunningService, hallmark) -> None:
    outcome = hallmark("hsm", "doctor", "--json")
    found = outcome.document
    assert (outcome.code, found["usable"]) == (0, True), outcome.out
    assert {"ECDSA", "EDDSA"} <= set(found["mechanisms"])
    assert found["self_test"]["signed"] == 1
    assert found["self_test"]["slowest_ms"] > 0
    assert found["protection"]["post_quantum"] in {"HSM", "HSM_WRAPPED"}
    assert sum(engine["signs"] for engine in found["engines"]) == 1
    assert found["key_encryption_keys"][-1]["newest"]
    with service.client() as client:
        name = fresh_name()
        client.keys.create(name)
        assert client.signing.sign(name, b"the server was not disturbed").signature


def test_doctor_speaks_to_people(hallmark) -> None:
    outcome = hallmark("hsm", "doctor")
    assert outcome.code == 0
    assert outcome.out.rstrip().endswith("The token is usable.")
    assert "signatures a second" in outcome.out


def test_doctor_says_what_is_wrong_and_ends_1(used_home: RunningService, tmp_path: Path) -> None:
    service = copy_of(used_home, tmp_path)
    pin = service.home / "hsm" / "token-pin"
    pin.write_text("not the pin")
    outcome = program("hsm", "doctor", "--json", home=service.home, folder=tmp_path)
    problem = next(finding for finding in outcome.document["findings"] if finding["level"] == "PROBLEM")
    assert (outcome.code, outcome.document["usable"]) == (1, False)
    assert problem["says"].startswith("PIN_INCORRECT")
    assert "correct the PIN" in problem["advice"]
    assert "not the pin" not in outcome.out + outcome.err


def test_doctor_makes_no_token_where_there_is_none(tmp_path: Path) -> None:
    outcome = program("hsm", "doctor", "--json", home=tmp_path / "nothing", folder=tmp_path)
    assert (outcome.code, outcome.document["usable"]) == (1, False)
    assert "hallmark serve" in outcome.document["findings"][0]["advice"]
    assert not (tmp_path / "nothing").exists()


def test_rewrap_on_a_stopped_home_and_serve_again(used_home: RunningService, tmp_path: Path) -> None:
    service = copy_of(used_home, tmp_path)
    outcome = program("hsm", "rewrap", "--json", home=service.home, folder=tmp_path)
    report = outcome.document
    assert (outcome.code, report["failed"], report["kept"], len(report["destroyed"])) == (0, {}, [], 1), outcome.err
    assert report["newest"]["generation"] == 2
    try:
        service.start()
        with service.client() as client:
            signature = client.signing.sign("manifest", b"x", wait="published")
            assert client.signing.verify("manifest", signature.signature, b"x")
    finally:
        if service.process is not None:
            service.kill()


def test_rewrap_beside_a_running_server_is_refused(service: RunningService, hallmark) -> None:
    outcome = hallmark("hsm", "rewrap", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "HOME_IN_USE")


@pytest.mark.parametrize("there", [True, False])
def test_rewrap_makes_no_home(there: bool, tmp_path: Path) -> None:
    home = tmp_path / "nothing"
    if there:
        home.mkdir()
    outcome = program("hsm", "rewrap", "--json", home=home, folder=tmp_path)
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "TOKEN_MISSING")
    assert home.exists() == there
    assert not list(home.glob("*"))


def test_backup_of_a_running_server_restored_into_a_new_home(service: RunningService, hallmark, tmp_path: Path) -> None:
    assert hallmark("hsm", "recovery-key", "recovery.json").code == 0
    assert (tmp_path / "recovery.json").stat().st_mode & 0o777 == 0o600
    backup = hallmark("hsm", "backup", "token.backup", "--recipient", "recovery.json.pub", "--json")
    assert (backup.code, backup.document["keys_checked"] > 3) == (0, True), backup.err
    pin = (service.home / "hsm" / "token-pin").read_bytes().strip()
    assert pin not in (tmp_path / "token.backup").read_bytes()
    new = ("--home", "new")
    public = hallmark("hsm", "restore", "token.backup", *new, "--recovery-key", "recovery.json.pub", "--json")
    assert (public.code, public.document["error"]["reason"]) == (2, "RECOVERY_KEY_PUBLIC")
    restored = hallmark("hsm", "restore", "token.backup", *new, "--recovery-key", "recovery.json", "--json")
    assert (restored.code, restored.document["replaced"]) == (0, None), restored.err
    assert hallmark("hsm", "doctor", *new, "--json").document["token"]["serial"] == restored.document["token_serial"]
    again = hallmark("hsm", "restore", "token.backup", *new, "--recovery-key", "recovery.json", "--json")
    assert (again.code, "not empty" in again.err) == (2, True)


def test_a_whole_service_comes_back_from_its_two_backups(used_home: RunningService, tmp_path: Path) -> None:
    there = copy_of(used_home, tmp_path)
    program("hsm", "recovery-key", "recovery.json", folder=tmp_path)
    program("hsm", "backup", "b", "--recipient", "recovery.json.pub", home=there.home, folder=tmp_path)
    shutil.rmtree(there.home / "hsm")
    restored = program(
        "hsm", "restore", "b", "--recovery-key", "recovery.json", "--json", home=there.home, folder=tmp_path
    )
    assert (restored.code, restored.document["keys_checked"] >= 5) == (0, True), restored.err
    try:
        there.start()
        with there.client() as client:
            assert client.signing.sign("manifest", b"x", wait="published").log.tlog_proof
    finally:
        if there.process is not None:
            there.kill()


def test_two_backups_make_a_service_in_an_empty_home(used_home: RunningService, tmp_path: Path) -> None:
    """The database and the token's backup, nothing else: the same keys, and the same log under its name."""
    program("hsm", "recovery-key", "recovery.json", folder=tmp_path)
    program("hsm", "backup", "b", "--recipient", "recovery.json.pub", home=used_home.home, folder=tmp_path)
    there = RunningService(tmp_path / "elsewhere", used_home.phone)
    there.home.mkdir()
    (there.home / "settings.toml").write_text("")
    with sqlite3.connect(used_home.home / "hallmark.db") as old, sqlite3.connect(there.home / "hallmark.db") as new:
        old.backup(new)
    restored = program("hsm", "restore", "b", "--recovery-key", "recovery.json", home=there.home, folder=tmp_path)
    assert restored.code == 0, restored.err
    try:
        there.start()
        with there.client() as client:
            assert client.signing.sign("manifest", b"x", wait="published").log.tlog_proof
    finally:
        if there.process is not None:
            there.kill()
    assert (there.home / "log-origin").read_text() == (used_home.home / "log-origin").read_text()


def test_another_recovery_key_does_not_open_it(used_home: RunningService, tmp_path: Path) -> None:
    for name in ("right.json", "wrong.json"):
        program("hsm", "recovery-key", name, folder=tmp_path)
    made = program("hsm", "backup", "b", "--recipient", "right.json.pub", home=used_home.home, folder=tmp_path)
    assert made.code == 0, made.err
    refused = program("hsm", "restore", "b", "--recovery-key", "wrong.json", home=tmp_path / "new", folder=tmp_path)
    assert (refused.code, "another recovery key" in refused.err) == (2, True)
    assert not (tmp_path / "new" / "hsm").exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", json.dumps({"hallmark": "recovery-key", "v": 1}), "\x00\xff"])
def test_what_is_no_recovery_key(content: str, used_home: RunningService, hallmark, tmp_path: Path) -> None:
    (tmp_path / "key").write_text(content)
    outcome = hallmark("hsm", "backup", "b", "--recipient", "key", "--home", used_home.home, "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "RECOVERY_KEY_INVALID")


def test_a_recovery_key_is_never_overwritten(tmp_path: Path) -> None:
    program("hsm", "recovery-key", "key", folder=tmp_path)
    before = (tmp_path / "key").read_bytes()
    assert program("hsm", "recovery-key", "key", folder=tmp_path).code == 2
    assert (tmp_path / "key").read_bytes() == before
