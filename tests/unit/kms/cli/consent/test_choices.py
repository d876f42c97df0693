import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pytest

from hallmark_client.model.consents import ArtifactKind, Lease, LeaseAction, StatusReference
from kms.cli.artifact_digest import artifact_digest
from kms.cli.consent.choices import CONSENT, show_leases
from kms.cli.consent.group import consent
from kms.cli.failure import CommandError

ID = "01933b5e-7c2f-7e0e-b0a5-0d4f1a6f0f8e"
DIGEST = hashlib.sha256(b"weights").hexdigest()


def test_an_artifact_is_a_file_or_its_digest(tmp_path: Path) -> None:
    (tmp_path / "model.bin").write_bytes(b"weights")
    for given in (str(tmp_path / "model.bin"), DIGEST, f"artifacts/{DIGEST}", f"tenants/default/artifacts/{DIGEST}"):
        assert artifact_digest(given) == DIGEST


@pytest.mark.parametrize("given", ["", "model.bin", DIGEST[:-1], DIGEST.upper(), f"devices/{DIGEST}"])
def test_what_is_neither(given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CommandError) as refused:
        artifact_digest(given)
    assert refused.value.exit_code == 2


def test_names_of_consents() -> None:
    for given in (ID, f"consents/{ID}", f"tenants/default/consents/{ID}"):
        assert CONSENT.convert(given, None, None) == given
    for given in ("alice", f"devices/{ID}", ID + "0"):
        with pytest.raises(click.BadParameter):
            CONSENT.convert(given, None, None)


def test_every_command_teaches() -> None:
    for name, command in consent.commands.items():
        assert "Example:" in (command.help or ""), name


def test_leases_in_columns(capsys: pytest.CaptureFixture[str]) -> None:
    show_leases([])
    assert capsys.readouterr().out == "There are no leases.\n"
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    lease = Lease(
        name=f"tenants/default/leases/{ID}",
        consent=f"tenants/default/consents/{ID}",
        device=f"tenants/default/devices/{ID}",
        artifact=f"tenants/default/artifacts/{DIGEST}",
        kind=ArtifactKind.BIOMETRIC_TEMPLATE,
        revision=1,
        not_before=moment,
        expire_time=moment + timedelta(days=1),
        max_staleness=timedelta(hours=1),
        offline_grace=timedelta(0),
        on_silence=LeaseAction.SUSPEND,
        on_expiry=LeaseAction.SHRED,
        status=StatusReference(uri="https://status.example/0", idx=7),
        live=False,
    )
    show_leases([lease])
    header, row = capsys.readouterr().out.splitlines()
    assert header.split() == ["LEASE", "DEVICE", "ARTIFACT", "KIND", "STATE", "UNTIL", "STALE", "AFTER"]
    assert row.split()[2:] == [DIGEST[:16], "biometric-template", "ended", "2026-11-23", "00:00:00Z", "1h"]
