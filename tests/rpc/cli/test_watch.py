import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from rpc.wire import fresh_name


@pytest.fixture
def revoked(hallmark) -> str:
    """The full name of a key that was just revoked."""
    name = fresh_name()
    key = hallmark("keys", "create", name, "--json").document["name"]
    outcome = hallmark("revoke", name, "--reason", "superseded", "--json")
    assert (outcome.code, outcome.document["subject"]) == (0, key)
    return key


def _subjects(out: str) -> list[str]:
    frames = [json.loads(line) for line in out.splitlines()]
    return [frame["event"]["subject"] for frame in frames if frame["frame"] == "event"]


def _names(out: str) -> list[str]:
    frames = [json.loads(line) for line in out.splitlines()]
    return [frame["event"]["name"] for frame in frames if frame["frame"] == "event"]


def test_a_watch_goes_on_from_its_cursor_file(hallmark, revoked, tmp_path) -> None:
    given = ("watch", "--revocations", "--cursor-file", "cursor", "--json", "--limit", 1)
    seen: list[str] = []
    subjects: list[str] = []
    while revoked not in subjects:  # what other tests revoked comes first
        out = hallmark(*given).out
        seen += _names(out)
        subjects += _subjects(out)
    name = fresh_name()
    hallmark("keys", "create", name)
    hallmark("revoke", name, "--reason", "withdrawn", "--effective", "2026-01-01")
    again = hallmark(*given)
    assert _subjects(again.out) == [f"tenants/default/keys/{name}"]
    assert len(seen) == len(set(seen))
    assert (tmp_path / "cursor").read_text()


def test_people_see_one_line_for_each_event(hallmark, revoked) -> None:
    outcome = hallmark("watch", "--revocations", "--limit", 1)
    assert outcome.code == 0
    assert "REVOKED" in outcome.out


def test_a_foreign_cursor_ends_3_and_says_what_to_remove(hallmark, tmp_path) -> None:
    (tmp_path / "cursor").write_text("bm90LW91cnM")
    outcome = hallmark("watch", "--revocations", "--cursor-file", "cursor", "--json")
    assert (outcome.code, "remove the cursor file" in outcome.err) == (3, True)


def test_a_pinned_key_that_is_not_the_services_refuses_every_event(hallmark, revoked) -> None:
    hallmark("keys", "create", name := fresh_name())
    hallmark("keys", "public", name, "--output", "other.pem")
    hallmark("keys", "public", "tenants/system/keys/revocation-events", "--output", "service.pem")
    refused = hallmark("watch", "--revocations", "--service-key", "other.pem", "--limit", 1, "--json")
    assert (refused.code, refused.document["error"]["reason"]) == (1, "KEY_NOT_TRUSTED")
    assert hallmark("watch", "--revocations", "--service-key", "service.pem", "--limit", 1).code == 0


def test_a_signal_ends_it_in_order(service, revoked, tmp_path) -> None:
    watch = subprocess.Popen(
        [
            str(Path(sys.executable).parent / "hallmark"),
            "watch",
            "--revocations",
            "--json",
            "--home",
            str(service.home),
        ],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ),
    )
    assert watch.stdout is not None
    first = json.loads(watch.stdout.readline())
    watch.send_signal(signal.SIGINT)
    _, err = watch.communicate(timeout=20)
    assert (first["frame"], watch.returncode) == ("event", 0)
    assert b"Traceback" not in err


def test_an_unknown_subject_ends_3(hallmark) -> None:
    outcome = hallmark("revoke", fresh_name(), "--reason", "superseded")
    assert outcome.code == 3


def test_a_device_is_revoked_by_its_name(hallmark, service, live_client) -> None:
    challenge = live_client.devices.create_challenge()
    chain = service.phone.attest(challenge.challenge).named("certificate")
    device = live_client.devices.attest(challenge.name, chain).device
    assert device is not None
    outcome = hallmark("revoke", f"devices/{device.name.rpartition('/')[2]}", "--reason", "device-lost", "--json")
    assert outcome.document["subject"] == device.name
