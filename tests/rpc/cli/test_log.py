import shutil
from pathlib import Path

from rpc.cli.conftest import program
from rpc.wire import fresh_name
from support.service import RunningService


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


def _copy(source: Path, target: Path) -> None:
    """The checkpoint first: what is published later covers it."""
    target.mkdir()
    shutil.copy(source / "checkpoint", target)
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=shutil.ignore_patterns("checkpoint", ".writing"))
