import base64
import hashlib
from pathlib import Path

import pytest

from hallmark_tlog.bundles import format_bundle
from hallmark_tlog.merkle import leaf_hash, verify_consistency
from hallmark_tlog.proof import verify_proof
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_VKEYS, ORIGIN, sign_note
from unit.kms.cli.log.published import KEYS, event_key, json_entry, json_log, publish


@pytest.fixture
def public(tmp_path: Path) -> Path:
    return publish(json_log(300), tmp_path / "public")


def _prove(public: Path, *more: object) -> tuple[object, ...]:
    return ("log", "prove", "--public", public, *KEYS, *more)


def test_a_proof_is_written_that_others_verify(hallmark, public, tmp_path) -> None:
    proof, entry = tmp_path / "p.tlog-proof", tmp_path / "entry.json"
    assert hallmark(*_prove(public, "--entry", 260, "--output", proof)).code == 0
    assert verify_proof(proof.read_bytes(), json_entry(260), LOG_VKEYS).index == 260
    entry.write_bytes(json_entry(260))
    found = hallmark("log", "check-proof", proof, "--entry", entry, *KEYS, "--json").document
    assert (found["verified"], found["origin"], found["index"], found["size"]) == (True, ORIGIN, 260, 300)
    entry.write_bytes(json_entry(261))
    assert hallmark("log", "check-proof", proof, "--entry", entry, *KEYS).code == 1
    assert hallmark("log", "check-proof", proof, *KEYS).code == 2


def test_entries_are_found_by_whatever_one_has(hallmark, public, tmp_path) -> None:
    entry = json_entry(270)
    (tmp_path / "entry.json").write_bytes(entry)
    for wanted in (
        270,
        event_key(270),
        hashlib.sha256(entry).hexdigest(),
        leaf_hash(entry).hex(),
        tmp_path / "entry.json",
    ):
        assert hallmark(*_prove(public, "--entry", wanted, "--json")).document["index"] == 270


@pytest.mark.parametrize(("wanted", "code"), [("300", 1), (event_key(999), 1), ("0" * 64, 1), ("what?", 2)])
def test_what_is_not_there(hallmark, public, wanted: str, code: int) -> None:
    outcome = hallmark(*_prove(public, "--entry", wanted))
    assert outcome.code == code
    assert outcome.out == ""


def test_nothing_is_written_when_a_tile_was_altered(hallmark, public, tmp_path) -> None:
    tile = public / "tile" / "0" / "000"
    tile.write_bytes(bytes(8192))
    assert hallmark(*_prove(public, "--entry", 3, "--output", tmp_path / "p")).code == 1
    assert not (tmp_path / "p").exists()


def test_against_a_checkpoint_of_ones_own(hallmark, public, tmp_path) -> None:
    log = json_log(300)
    (public / "tile/0/001.p/4").write_bytes(b"".join(log.leaves[256:260]))
    (public / "tile/entries/001.p/4").write_bytes(format_bundle(log.entries[256:260]))
    checkpoint = tmp_path / "earlier"
    checkpoint.write_bytes(sign_note(log.at(260), LOG_ED25519))
    arguments = ("--vkey", LOG_ED25519.vkey, "--checkpoint", checkpoint, "--entry", 259, "--json")
    assert hallmark("log", "prove", "--public", public, *arguments).document["size"] == 260


def test_consistency(hallmark, public, tmp_path) -> None:
    log = json_log(300)
    found = hallmark(*_prove(public, "--from", 200, "--to", 270, "--json")).document
    proof = [base64.b64decode(value) for value in found["proof"]]
    assert (found["old_root"], found["new_root"]) == (log.at(200).root.hex(), log.at(270).root.hex())
    verify_consistency(200, log.at(200).root, 270, log.at(270).root, proof)
    assert hallmark(*_prove(public, "--from", 200, "--output", tmp_path / "c")).code == 0
    assert (tmp_path / "c").read_bytes().startswith(b"old 200\n")
    assert (tmp_path / "c").read_bytes().endswith((public / "checkpoint").read_bytes())


def test_questions_that_make_no_sense(hallmark, public, tmp_path) -> None:
    for more in (
        (),
        ("--entry", 1, "--from", 2),
        ("--from", 301),
        ("--from", 3, "--to", 2),
        ("--from", 1, "--to", 2, "--output", tmp_path / "x"),
    ):
        assert hallmark(*_prove(public, *more)).code == 2


def test_files_that_are_something_else_are_named(hallmark, public, tmp_path) -> None:
    other = tmp_path / "other"
    other.write_bytes(b"\x7fELF")
    for arguments, reason in (
        (_prove(public, "--entry", 3, "--checkpoint", other, "--json"), "CHECKPOINT_INVALID"),
        (("log", "check-proof", other, *KEYS, "--json"), "PROOF_INVALID"),
    ):
        outcome = hallmark(*arguments)
        assert (outcome.code, outcome.document["error"]["reason"]) == (2, reason)
        assert str(other) in outcome.err
