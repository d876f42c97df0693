"""`python -m hallmark_release`: what it prints, and an exit code of its own for each failed check."""

import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hallmark_release import errors
from hallmark_release.__main__ import main
from hallmark_release.trust import COMPOSITE_FILE, ECDSA_FILE, POLICY_FILE, ROOT_FILE
from unit.hallmark_release.release_world import MODEL, NOW, Publisher, later, release_files, statement_key


@pytest.fixture
def trust(publisher: Publisher, tmp_path: Path) -> Path:
    folder = tmp_path / "trust"
    folder.mkdir()
    (folder / ROOT_FILE).write_bytes(publisher.trust.root)
    pem = publisher.trust.ecdsa.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (folder / ECDSA_FILE).write_bytes(pem)
    (folder / COMPOSITE_FILE).write_text(publisher.trust.composite.to_spki_pem())
    (folder / POLICY_FILE).write_text(str(publisher.trust.policy))
    return folder


def test_a_release(publisher: Publisher, trust: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    publisher.publish({"a": b"weights"}, epoch=4)
    command = ["verify", str(publisher.served), MODEL, "--trust", str(trust), "--state", str(tmp_path / "state")]
    at = ["--now", NOW.isoformat()]
    assert main([*command, *at, "--parts", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["verified"], told["epoch"], told["encrypted_bytes_checked"]) == (True, 4, 79)
    assert main([*command, *at]) == 0
    assert "epoch: 4" in capsys.readouterr().out
    assert main([*command, *at, "--minimum-epoch", "5", "--json"]) == 31
    assert json.loads(capsys.readouterr().out)["reason"] == "EPOCH_TOO_OLD"
    assert main([*command, "--now", later(days=30).isoformat()]) == 21
    assert "refresh" in capsys.readouterr().err
    assert main(["verify", str(publisher.served), "other", "--trust", str(trust), *at]) == 25
    assert main(["verify", str(tmp_path / "nowhere"), MODEL, "--trust", str(trust), *at]) == 41
    assert main(["verify", str(publisher.served), MODEL, "--trust", str(tmp_path), *at]) == 51
    (trust / ECDSA_FILE).write_text("no key")
    assert main([*command, *at]) == 51


def test_a_folder(publisher: Publisher, trust: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    built = publisher.build({"a": b"weights"})
    bundle = tmp_path / "model.sig"
    bundle.write_bytes(release_files(built)["model.sig"])
    folder = publisher.folder / f"plain-{MODEL}-1"
    command = ["verify-folder", str(folder), str(bundle), "--key", str(trust / ECDSA_FILE), "--json"]
    assert main(command) == 0
    assert json.loads(capsys.readouterr().out)["files"] == 1
    (folder / "model.sig").write_bytes(bundle.read_bytes())  # where Model Signing puts it
    assert main([*command[:2], str(folder / "model.sig"), *command[3:]]) == 0
    assert main(command) == 15
    (folder / "model.sig").unlink()
    (folder / "a").write_bytes(b"other!!")
    assert main(command) == 15
    bundle.write_bytes(b"{}")
    assert main(command) == 10
    assert statement_key().public_key() == publisher.trust.ecdsa


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    for wrong in ([], ["verify"], ["verify", "a", "b"], ["verify", "a", "b", "--trust", "t", "--now", "2026-11-22"]):
        with pytest.raises(SystemExit) as ended:
            main(wrong)
        assert ended.value.code == 2


def test_each_error_has_its_own_exit_code() -> None:
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, errors.ReleaseError)
    ]
    codes = [each.exit_code for each in classes]
    assert len(set(codes)) == len(codes) > 20
    assert len({each.reason for each in classes}) == len(classes)
    assert not {0, 2} & set(codes)
    tree = errors.__doc__ or ""
    for each in classes:
        if each is not errors.ReleaseError:
            assert f"{each.__name__} " in tree
            assert str(each.exit_code) in tree
