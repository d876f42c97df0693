"""`hallmark watch` as a device: with the API, once, from a state file, and with nothing but files."""

import json
import time
from pathlib import Path

import pytest

from rpc.test_gated_keys import Phone
from rpc.wire import fresh_name
from support.service import RunningService
from unit.kms.cli.console import Console


@pytest.fixture
def hallmark(service: RunningService, capsys, monkeypatch, tmp_path: Path) -> Console:
    monkeypatch.setenv("HALLMARK_HOME", str(service.home))
    monkeypatch.chdir(tmp_path)
    return Console(capsys)


@pytest.fixture
def revoked(hallmark: Console) -> str:
    name = fresh_name()
    hallmark("keys", "create", name)
    hallmark("revoke", name, "--reason", "superseded")
    return f"tenants/default/keys/{name}"


def lines(out: str) -> list[dict]:
    return [json.loads(line) for line in out.splitlines()]


def subjects(out: str) -> list[str]:
    return [line["subject"] for line in lines(out) if "change" in line]


def test_a_phone_asks_once_and_goes_on_from_its_file(service, hallmark, revoked, tmp_path) -> None:
    Phone(service, tmp_path / "phone")
    given = ("watch", "--profile", "phone", "--state", "phone.db", "--once", "--json")
    outcome = hallmark(*given)
    assert outcome.code == 0, outcome.err
    assert any(subject.startswith(revoked) for subject in subjects(outcome.out))
    assert lines(outcome.out)[-1]["status"]["status"] == "VALID"
    again = hallmark(*given)
    assert (again.code, subjects(again.out)) == (0, [])


def test_people_see_what_it_means(hallmark, revoked) -> None:
    outcome = hallmark("watch", "--once")
    assert outcome.code == 0, outcome.err
    told = [line for line in outcome.out.splitlines() if revoked.removeprefix("tenants/default/keys/") in line]
    assert told
    assert all("REVOKED" in line for line in told)
    assert "VALID" in outcome.err


def test_a_limit_ends_it(hallmark, revoked) -> None:
    outcome = hallmark("watch", "--limit", 1)
    assert (outcome.code, len(outcome.out.splitlines())) == (0, 1), outcome.err


def test_files_alone_are_enough(service, hallmark, revoked) -> None:
    hallmark("keys", "public", "tenants/system/keys/revocation-events", "--output", "service.pem")
    hallmark("log", "keys", "--output", "log.vkey")
    url = str(service.facts["public_url"])
    given = ("watch", "--files", url, "--service-key", "service.pem", "--log-key", "log.vkey", "--once", "--json")
    deadline = time.monotonic() + 30
    while True:
        outcome = hallmark(*given)
        if outcome.code == 0 and any(subject.startswith(revoked) for subject in subjects(outcome.out)):
            break
        assert time.monotonic() < deadline, outcome.err  # published within seconds
        time.sleep(0.3)


def test_files_without_a_key_to_verify_them_are_refused(hallmark) -> None:
    outcome = hallmark("watch", "--files", "http://127.0.0.1:9", "--once", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "SERVICE_KEY_MISSING")
    assert "hallmark keys public" in outcome.err


def test_who_hears_nobody_is_told_so(hallmark, revoked) -> None:
    hallmark("keys", "public", "tenants/system/keys/revocation-events", "--output", "service.pem")
    hallmark("log", "keys", "--output", "log.vkey")
    given = ("watch", "--files", "http://127.0.0.1:9", "--service-key", "service.pem", "--log-key", "log.vkey")
    outcome = hallmark(*given, "--once", "--json")
    assert outcome.code == 1
    assert lines(outcome.out)[-1]["error"]["reason"] == "NOT_CURRENT"


def test_a_cursor_file_is_for_revocations(hallmark) -> None:
    assert hallmark("watch", "--cursor-file", "cursor").code == 2
