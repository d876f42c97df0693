import zipfile
from pathlib import Path

import pytest

from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.evidence_pack import EvidencePack
from hallmark_tlog.merkle import leaf_hash
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.vkey import KeyType
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_ML_DSA, WITNESS_ED25519, SoftKey, sign_note
from unit.kms.cli.log.published import KEYS, event_key, json_entry, json_log, publish


@pytest.fixture
def public(tmp_path: Path) -> Path:
    log = json_log(300)
    log.sign(LOG_ED25519, LOG_ML_DSA, WITNESS_ED25519)
    return publish(log, tmp_path / "public")


@pytest.fixture
def policy(tmp_path: Path) -> Path:
    file = tmp_path / "log.policy"
    file.write_text(f"# ours\nlog {LOG_ED25519.vkey}\nwitness w {WITNESS_ED25519.vkey}\ngroup g all w\nquorum g\n")
    return file


@pytest.fixture
def pack(hallmark, public, policy, tmp_path) -> Path:
    file = tmp_path / "pack.zip"
    arguments = ("--policy", policy, "--entry", event_key(42), "--output", file, "--json")
    found = hallmark("log", "export", "--public", public, *arguments).document
    assert (found["index"], found["bytes"]) == (42, file.stat().st_size)
    return file


def test_a_pack_holds_under_the_readers_own_keys(hallmark, pack, policy) -> None:
    found = hallmark("log", "check-pack", pack, "--policy", policy, "--json").document
    assert (found["verified"], found["index"], found["entry"]) == (True, 42, json_entry(42).decode())
    assert "It holds: entry 42" in hallmark("log", "check-pack", pack, "--vkey", LOG_ED25519.vkey).out


def test_the_policy_travels_as_it_was_given(pack, policy) -> None:
    with zipfile.ZipFile(pack) as archive:
        assert archive.read("policy") == policy.read_bytes()
        assert archive.read("entry.json") == json_entry(42)
        assert archive.read("log.vkey").decode() == f"{LOG_ED25519.vkey}\n"


def test_without_keys_it_is_a_claim_and_ends_2(hallmark, pack) -> None:
    outcome = hallmark("log", "check-pack", pack)
    assert outcome.code == 2
    assert "only claims" in outcome.err
    assert "If the keys inside are the log's" in outcome.out
    assert hallmark("log", "check-pack", pack, "--json").document["error"]["reason"] == "KEYS_ARE_CLAIMS"


def test_keys_of_somebody_else_end_1(hallmark, pack) -> None:
    assert hallmark("log", "check-pack", pack, "--vkey", WITNESS_ED25519.vkey).code == 1


def test_a_pack_of_keys_only_asks_for_all_of_them(hallmark, public, tmp_path) -> None:
    file = tmp_path / "keys.zip"
    arguments = ("--public", public, *KEYS, "--vkey", WITNESS_ED25519.vkey, "--entry", 3, "--output", file)
    assert hallmark("log", "export", *arguments).code == 0
    with zipfile.ZipFile(file) as archive:
        text = archive.read("policy").decode()
    assert text.count("log ") == 2
    assert text.endswith("quorum witnesses\n")
    assert hallmark("log", "check-pack", file, *KEYS).code == 0


def test_a_file_that_is_no_pack_ends_2(hallmark, pack) -> None:
    pack.write_bytes(pack.read_bytes() + b"x")
    outcome = hallmark("log", "check-pack", pack, *KEYS, "--json")
    assert (outcome.code, outcome.document["error"]["reason"]) == (2, "PACK_INVALID")


def test_names_in_a_strangers_pack_do_not_reach_the_terminal_raw(hallmark, tmp_path) -> None:
    """U+009B begins a control sequence; signed-note allows it in names."""
    key = SoftKey.make("log\u009b2J", KeyType.ED25519, 9)
    note = sign_note(Checkpoint(key.vkey.name, 1, leaf_hash(b"{}")), key)
    policy = f"log {key.vkey}\nquorum none\n".encode()
    pack = EvidencePack(b"{}", bytes(TlogProof(0, (), note)), note, f"{key.vkey}\n".encode(), policy, b"")
    (tmp_path / "pack.zip").write_bytes(bytes(pack))
    outcome = hallmark("log", "check-pack", tmp_path / "pack.zip")
    assert outcome.code == 2
    assert "log\\x9b2J" in outcome.out
    assert "\u009b" not in outcome.out + outcome.err
