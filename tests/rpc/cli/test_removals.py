"""`hallmark consent report`, `removals` and `request-deletion` against the real service."""

import csv
import hashlib
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from kms.cli.consent.report import report
from kms.cli.removals import removals, request_deletion
from rpc.wire import fresh_id
from support.service import RunningService


@pytest.fixture
def device(service: RunningService) -> str:
    """The id of an enrolled one."""
    with service.client("backend") as backend:
        challenge = backend.devices.create_challenge()
        key = service.phone.generate_key(challenge.challenge)
        answer = backend.devices.attest(challenge.name, [part.data for part in key.evidence.parts])
    assert answer.device is not None, answer.verdict
    return answer.device.name.rpartition("/")[2]


def run(service: RunningService, command, *arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments), "--home", str(service.home)])


def done(service: RunningService, command, *arguments: object) -> str:
    result = run(service, command, *arguments)
    assert result.exit_code == 0, result.output
    return result.output


def test_a_file_is_asked_to_be_deleted_and_found_in_the_report(
    service: RunningService, device: str, tmp_path: Path
) -> None:
    model = tmp_path / "model.safetensors"
    model.write_bytes(fresh_id().encode())
    told = done(service, request_deletion, device, model, "--within", "12h", "--reason", "faulty model")
    assert f"Asked devices/{device} to delete artifacts/{hashlib.sha256(model.read_bytes()).hexdigest()}" in told
    (listed,) = json.loads(done(service, removals, "--device", device, "--json"))["removals"]
    assert (listed["state"], listed["reason"]) == ("ISSUED", "faulty model")
    assert "issued" in done(service, removals, "--device", device)
    assert "no such removals" in done(service, removals, "--device", device, "--state", "lapsed")

    page, lines = tmp_path / "report.html", tmp_path / "report.csv"
    done(service, report, "--output", page)
    assert "<h1>Removal report</h1>" in page.read_text()
    done(service, report, "--output", lines)
    rows = list(csv.DictReader(lines.read_text().splitlines()))
    assert listed["name"] in {row["removal"] for row in rows}
    document = json.loads(done(service, report, "--json"))
    assert document["states"]["issued"] >= 1
    assert "issued" in done(service, report)


def test_a_mistake_is_said(service: RunningService, device: str) -> None:
    for arguments in (
        ("--format", "html"),
        ("--since", "2026-11-02", "--until", "2026-11-01"),
        ("--format", "table", "--output", "report.txt"),
    ):
        assert run(service, report, *arguments).exit_code != 0, arguments
    assert run(service, request_deletion, device, "no-such-file").exit_code != 0
