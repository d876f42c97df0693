import json
import shutil
from pathlib import Path

from rpc.cli.conftest import program
from rpc.wire import fresh_name
from support.service import RunningService, running_service


def test_an_auditor_needs_the_public_files_and_the_keys_only(hallmark, service: RunningService, tmp_path) -> None:
    hallmark("log", "keys", "--output", "log.vkey")
    copy = tmp_path / "copy"
    (tmp_path / "file").write_text("x")
    hallmark("keys", "create", name := fresh_name())
    hallmark("sign", "file", "--key", name, "--proof")
    _copy(service.home / "public", copy)
    first = program(
        "log", "verify", "--public", "copy", "--vkey", "log.vkey", "--since", "last", "--json", folder=tmp_path
    ).document
    assert first["size"] == first["inclusions_verified"] > 0
    hallmark("sign", "file", "--key", name, "--proof")
    url = str(service.facts["public_url"])
    second = hallmark("log", "verify", "--public", url, "--vkey", "log.vkey", "--since", "last", "--json").document
    assert second["consistent_from"] == first["size"] < second["size"]
    assert {signer["type"] for signer in second["signers"]} == {1, 6}


def test_the_keys_are_those_of_the_capabilities(hallmark, live_client) -> None:
    assert hallmark("log", "keys").out.split() == list(live_client.capabilities().log.verifier_keys)


def _logged(hallmark, tmp_path: Path) -> str:
    """Something happens. The SHA-256 of what was signed is in its entry."""
    (tmp_path / "file").write_text("x")
    hallmark("keys", "create", name := fresh_name())
    assert hallmark("sign", "file", "--key", name, "--proof").code == 0
    return name


def test_an_auditor_goes_on_where_the_last_audit_ended(hallmark, service: RunningService, tmp_path) -> None:
    url = str(service.facts["public_url"])
    hallmark("log", "keys", "--output", "log.vkey")
    _logged(hallmark, tmp_path)
    arguments = ("log", "verify", "--public", url, "--vkey", "log.vkey", "--state", "audit.state", "--json")
    first = hallmark(*arguments).document
    assert first["entries_verified"] == first["size"] > 0
    _logged(hallmark, tmp_path)
    second = hallmark(*arguments).document
    assert second["entries_verified"] == second["size"] - first["size"] > 0
    assert second["consistent_from"] == first["size"]


def test_a_monitor_follows_the_log_and_tells_entries(hallmark, service: RunningService, tmp_path) -> None:
    url = str(service.facts["public_url"])
    hallmark("log", "keys", "--output", "log.vkey")
    arguments = ("log", "monitor", "--public", url, "--public", service.home / "public", "--vkey", "log.vkey")
    arguments = (*arguments, "--state", "monitor.state", "--once", "--json")
    assert hallmark(*arguments).code == 0
    name = _logged(hallmark, tmp_path)
    outcome = hallmark(*arguments, "--match", f"subject=*/keys/{name}*")
    assert outcome.code == 0
    checkpoint, *entries = [json.loads(line) for line in outcome.out.splitlines()]
    assert checkpoint["entries_verified"] > 0
    assert all(name in entry["entry"]["subject"] for entry in entries)
    assert entries


def test_proofs_and_packs_from_public_files_are_verified_offline(hallmark, service: RunningService, tmp_path) -> None:
    url = str(service.facts["public_url"])
    hallmark("log", "keys", "--output", "log.vkey")
    _logged(hallmark, tmp_path)
    public = ("--public", url, "--vkey", "log.vkey")
    proved = hallmark("log", "prove", *public, "--entry", 0, "--output", "0.tlog-proof", "--json").document
    entry = json.loads(proved["entry"])
    (tmp_path / "entry.json").write_text(proved["entry"])
    assert hallmark("log", "export", *public, "--entry", entry["id"], "--output", "pack.zip").code == 0
    consistency = hallmark("log", "prove", *public, "--from", 1, "--output", "c", "--json").document
    assert consistency["new_size"] >= proved["size"]
    offline = {"folder": tmp_path, "home": tmp_path / "nowhere"}
    checked = program("log", "check-proof", "0.tlog-proof", "--entry", "entry.json", "--vkey", "log.vkey", **offline)
    assert checked.code == 0
    found = program("log", "check-pack", "pack.zip", "--vkey", "log.vkey", "--json", **offline).document
    assert (found["index"], found["entry"]) == (0, proved["entry"])
    assert program("log", "check-pack", "pack.zip", **offline).code == 2


def test_the_operator_checks_the_database_of_a_stopped_server(tmp_path) -> None:
    home = tmp_path / "home"
    with running_service(home) as own:
        (tmp_path / "file").write_text("x")
        assert program("keys", "create", "k", home=home, folder=tmp_path).code == 0
        assert program("sign", "file", "--key", "k", "--proof", home=home, folder=tmp_path).code == 0
        assert program("log", "fsck", home=home, folder=tmp_path).code == 2  # it runs
        own.stop()
        outcome = program("log", "fsck", "--json", home=home, folder=tmp_path)
        assert (outcome.code, outcome.document["findings"]) == (0, [])
        (log,) = outcome.document["logs"]
        assert log["entries"] == log["published"] > 0


def _copy(source: Path, target: Path) -> None:
    """The checkpoint first: what is published later covers it."""
    target.mkdir()
    shutil.copy(source / "checkpoint", target)
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checkpoint", ".writing"))
