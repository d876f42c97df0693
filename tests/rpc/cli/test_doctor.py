"""`hallmark doctor` as an operator runs it: on a deployment that is well, and on broken ones."""

import json
import shutil
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from kms.server.local_ca import LocalAuthority
from rpc.cli.conftest import program
from support.service import RunningService


def levels(outcome) -> dict[str, str]:
    return {finding["check"]: finding["level"] for finding in outcome.document["findings"]}


def profile_elsewhere(service: RunningService, folder: Path, **changes: str) -> Path:
    """An identity of the running server, with another address or authority."""
    copy = folder / "profile"
    shutil.copytree(service.home / "clients" / "auditor", copy)
    facts = json.loads((copy / "profile.json").read_text()) | changes
    (copy / "profile.json").write_text(json.dumps(facts))
    return copy


@contextmanager
def babbling_server() -> Iterator[str]:
    """Takes connections and speaks something else than TLS."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            try:
                while True:
                    taken, _ = listener.accept()
                    with taken:
                        taken.sendall(b"220 mail.example ready\r\n" * 10)
                        taken.settimeout(1)
                        taken.recv(4096)
            except OSError:
                return

        threading.Thread(target=serve, daemon=True).start()
        yield f"localhost:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def test_a_server_that_is_well(service: RunningService, hallmark) -> None:
    outcome = hallmark("doctor", "--json")
    found = levels(outcome)
    assert outcome.code == 0, outcome.out
    for check in ("api", "server-certificate", "client-certificate", "identity", "health.process", "health.hsm",
                  "health.database", "health.writes", "health.log", "pq-tls", "hsm", "log", "read-plane", "feeds", "clock",
                  "pages", "schema", "home"):  # fmt: skip
        assert found[check] == "ok", (check, outcome.out)
    assert found["settings.approvals"] == found["witnesses"] == "warning"
    assert all(finding["advice"] for finding in outcome.document["findings"] if finding["level"] != "ok")


def test_for_people_and_with_a_replica(service: RunningService, hallmark, tmp_path: Path) -> None:
    folder = profile_elsewhere(service, tmp_path)
    outcome = hallmark("doctor", "--profile", folder, "--replica", service.facts["address"])
    assert outcome.code == 0, outcome.out
    assert "it shares log, keys and version with the first" in outcome.out
    assert "settings" not in outcome.out, "a profile of a server elsewhere has no settings here"
    assert outcome.out.endswith("0 problems, 1 warning.\n")


def test_nobody_there(service: RunningService, hallmark, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    folder = profile_elsewhere(service, tmp_path, address=f"localhost:{port}")
    outcome = hallmark("doctor", "--profile", folder, "--json")
    assert (outcome.code, levels(outcome)["api"]) == (1, "problem")


def test_somebody_else_there(service: RunningService, hallmark, tmp_path: Path) -> None:
    with babbling_server() as address:
        outcome = hallmark("doctor", "--profile", profile_elsewhere(service, tmp_path, address=address), "--json")
    assert (outcome.code, levels(outcome)["api"]) == (1, "problem")


def test_a_server_of_another_authority(service: RunningService, hallmark, tmp_path: Path) -> None:
    folder = profile_elsewhere(service, tmp_path)
    other = LocalAuthority(tmp_path / "other", trust_domain="other.example", now=datetime.now(UTC))
    (folder / "ca.pem").write_bytes(other.pem)
    outcome = hallmark("doctor", "--profile", folder, "--json")
    assert (outcome.code, levels(outcome)["api"]) == (1, "problem")
    assert "does not hold" in outcome.out
    assert "authority's ca.pem" in outcome.out


def test_pages_and_public_files_of_something_else(service: RunningService, hallmark) -> None:
    public = service.facts["public_url"]
    outcome = hallmark("doctor", "--pages", public, "--public", f"{public}/nothing", "--json")
    found = levels(outcome)
    assert (outcome.code, found["pages"], found["read-plane"]) == (1, "warning", "problem")


@pytest.mark.parametrize(
    ("settings", "check"),
    [
        ("[server]\nprot = 1\n", "settings"),
        ("this is not toml", "settings"),
        ('[server]\naddress = "0.0.0.0"\n', "settings.host-names"),
        ('[database]\nurl = "not a url"\n', "settings.database"),
    ],
)
def test_settings_before_they_are_used(settings: str, check: str, hallmark, tmp_path: Path) -> None:
    (tmp_path / "new.toml").write_text(settings)
    outcome = hallmark("doctor", "--config", "new.toml", "--offline", "--json")
    assert (outcome.code, levels(outcome)[check]) == (1, "problem"), outcome.out
    assert "Traceback" not in outcome.out + outcome.err


def test_good_settings_have_no_risk_left(tmp_path: Path) -> None:
    from kms.cli.doctor.settings_check import check_settings
    from kms.config import load_config

    guard = Path("/dev/shm/log-guard")
    if not guard.parent.is_dir() or guard.parent.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second volume here")
    (tmp_path / "good.toml").write_text(
        f"""
home = "{tmp_path}"
[server]
require_pq_tls = true
admins = ["alice", "bob"]
[approvals.required]
destroy = 2
export = 2
policy_change = 2
trust_root_change = 2
[identity]
client_authorities = "authorities.pem"
[log]
guard_file = "{guard}"
witness_policy = "witnesses"
"""
    )
    (finding,) = check_settings(load_config(tmp_path / "good.toml", environment={}))
    assert (finding.check, finding.level.value) == ("settings", "ok")


def test_two_on_sqlite_and_a_password_in_the_url(tmp_path: Path) -> None:
    from kms.cli.doctor.settings_check import check_settings
    from kms.config import load_config

    two = {finding.check: finding.level.value for finding in check_settings(load_config(environment={}), replicas=2)}
    assert two["settings.database"] == "problem"
    url = "postgresql+psycopg://hallmark:secret-word@db.example/hallmark"
    found = list(check_settings(load_config(environment={}, overrides={"database.url": url})))
    assert [finding.level.value for finding in found if finding.check == "settings.database"] == ["warning", "warning"]
    assert "secret-word" not in str(found)


def test_no_home_at_all(tmp_path: Path) -> None:
    outcome = program("doctor", "--json", home=tmp_path / "nothing", folder=tmp_path)
    assert (outcome.code, levels(outcome)["profile"]) == (1, "problem")
    assert not (tmp_path / "nothing").exists()
