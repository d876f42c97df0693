"""A key ceremony through the real service, and a stranger who checks its transcript offline."""

import hashlib
import json
from pathlib import Path

import pytest

from hallmark_client import HallmarkError
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.vkey import parse_vkey
from kms.cli.ceremony import conduct
from kms.core.canonical import canonical_json
from rpc.wire import fresh_name


@pytest.fixture
def names() -> list[str]:
    return [fresh_name() for _ in range(3)]


@pytest.fixture
def plan(names: list[str], tmp_path: Path) -> Path:
    release, manifest, telemetry = names
    file = tmp_path / "plan.toml"
    file.write_text(
        f'title = "First keys"\n[[present]]\nname = "Alice"\nrole = "custodian"\n'
        f'[[present]]\nname = "Bob"\nrole = "witness"\n'
        f'[[keys]]\nid = "{release}"\npurpose = "sign"\nlabels = {{ team = "models" }}\n'
        f"rotation = {{ period_days = 90, publish_lead_days = 7 }}\n"
        f'[[keys]]\nid = "{manifest}"\npurpose = "manifest"\n'
        f'[[keys]]\nid = "{telemetry}"\npurpose = "envelope"\n'
        f'[transcript]\nsigned_by = "{release}"\n'
    )
    return file


def test_check_changes_nothing(hallmark, plan: Path, names, live_client) -> None:
    outcome = hallmark("ceremony", "run", plan, "--check", "--json")
    assert (outcome.code, outcome.document["keys"]) == (0, names), outcome.err
    assert outcome.document["plan_sha256"] == hashlib.sha256(plan.read_bytes()).hexdigest()
    with pytest.raises(HallmarkError):
        live_client.keys.get(names[0])


def test_a_ceremony_and_its_transcript(hallmark, plan: Path, names, live_client, tmp_path: Path) -> None:
    outcome = hallmark("ceremony", "run", plan, "--transcript", "out.json")
    assert (outcome.code, "3 keys, each proved" in outcome.out) == (0, True), outcome.err
    content = (tmp_path / "out.json").read_bytes()
    transcript = json.loads(content)
    assert canonical_json(transcript) == content
    assert transcript["plan_sha256"] == hashlib.sha256(plan.read_bytes()).hexdigest()
    assert transcript["present"] == [{"name": "Alice", "role": "custodian"}, {"name": "Bob", "role": "witness"}]
    assert transcript["begin_time"] <= transcript["end_time"]
    vkeys = [parse_vkey(line) for line in transcript["log"]["verifier_keys"]]
    for name, said in zip(names, transcript["keys"], strict=True):
        key = live_client.keys.get(name)
        assert said["public_key_sha256"] == key.versions[0].public_key_sha256
        assert key.labels["ceremony"] == transcript["plan_sha256"]
        entry = said["log_entry"].encode()
        proved = verify_proof(said["tlog_proof"].encode(), entry, vkeys, origin=transcript["log"]["origin"])
        assert proved.index == said["leaf_index"]
        assert json.loads(entry)["details"]["public_key_sha256"] == said["public_key_sha256"]
    assert live_client.keys.get(names[0]).rotation.period.days == 90
    proof = ("--proof", "out.json.tlog-proof", "--vkey", transcript["log"]["verifier_keys"][0])
    assert hallmark("verify", "out.json", "--key", "out.json.pem", *proof).code == 0
    (tmp_path / "out.json").write_bytes(content.replace(b"Bob", b"Eve"))
    assert hallmark("verify", "out.json", "--key", "out.json.pem").code == 1


def test_a_run_that_was_cut_short_is_finished_with_the_same_file(
    hallmark, plan: Path, names, live_client, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = conduct._create

    def cut_short(client, planned, reviewed):
        if planned.id == names[2]:
            raise ConnectionError("the network went away")
        return create(client, planned, reviewed)

    with monkeypatch.context() as broken:
        broken.setattr(conduct, "_create", cut_short)
        assert hallmark("ceremony", "run", plan, "--transcript", "out.json").code != 0
    first = live_client.keys.get(names[0])
    assert not Path("out.json").exists()
    assert hallmark("ceremony", "run", plan, "--transcript", "out.json").code == 0
    assert live_client.keys.get(names[0]).versions == first.versions
    assert len(json.loads(Path("out.json").read_text())["keys"]) == 3


def test_a_key_that_exists_stops_it_before_anything_is_made(hallmark, plan: Path, names, live_client) -> None:
    live_client.keys.create(names[2])
    outcome = hallmark("ceremony", "run", plan, "--transcript", "out.json", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "CEREMONY_NOT_POSSIBLE")
    assert names[2] in outcome.document["error"]["message"]
    with pytest.raises(HallmarkError):
        live_client.keys.get(names[0])


def test_a_key_that_is_there_already_may_sign(hallmark, plan: Path, names, live_client) -> None:
    signer = fresh_name()
    plan.write_text(plan.read_text().replace(f'signed_by = "{names[0]}"', f'signed_by = "{signer}"'))
    refused = hallmark("ceremony", "run", plan, "--check", "--json")
    assert (refused.code, refused.document["error"]["reason"]) == (1, "CEREMONY_NOT_POSSIBLE")
    live_client.keys.create(signer)
    assert hallmark("ceremony", "run", plan, "--transcript", "out.json").code == 0
    assert hallmark("verify", "out.json", "--key", "out.json.pem").code == 0


def test_another_file_than_the_reviewed_one_is_refused(hallmark, plan: Path) -> None:
    reviewed = hashlib.sha256(plan.read_bytes()).hexdigest()
    plan.write_text(plan.read_text() + "\n# one more line\n")
    outcome = hallmark("ceremony", "run", plan, "--reviewed", reviewed, "--transcript", "out.json", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (1, "CEREMONY_PLAN_CHANGED")


def test_a_transcript_is_never_overwritten(hallmark, plan: Path, tmp_path: Path) -> None:
    (tmp_path / "out.json").write_text("{}")
    outcome = hallmark("ceremony", "run", plan, "--transcript", "out.json", "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "TRANSCRIPT_EXISTS")


def test_either_check_or_transcript(hallmark, plan: Path) -> None:
    assert hallmark("ceremony", "run", plan).code == 2
    assert hallmark("ceremony", "run", plan, "--check", "--transcript", "x").code == 2
