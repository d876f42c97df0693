"""torchwood, the Go library behind several C2SP tools, reads our log and verifies our proofs."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from hallmark_tlog.proof import HEADER, parse_proof
from hallmark_tlog.vkey import KeyType
from peers.grown_log import PROVED, SIZES, GrownLog
from peers.own_witness import OwnWitness
from peers.serving import served, served_plainly
from peers.tools import Outcome, Peers, run


@pytest.fixture
def torchwood(peers: Peers) -> Path:
    return peers.program("torchwood-check")


@pytest.fixture
def spicy(peers: Peers) -> Path:
    return peers.program("spicy-torchwood", of="torchwood")


@pytest.fixture
def log_policy(grown_log: GrownLog, tmp_path: Path) -> Path:
    """Trusts the log's Ed25519 key alone; torchwood 0.9.0 knows no other kind."""
    policy = tmp_path / "log.policy"
    policy.write_text(f"log {grown_log.ed25519}\nquorum none\n")
    return policy


def verify(torchwood: Path, folder: Path, policy: Path, entry: bytes, proof: bytes) -> Outcome:
    (folder / "entry").write_bytes(entry)
    (folder / "entry.tlog-proof").write_bytes(proof)
    return run(torchwood, "proof", policy, folder / "entry", folder / "entry.tlog-proof")


@pytest.mark.parametrize("size", SIZES)
def test_every_entry_streams_and_verifies(torchwood: Path, grown_log: GrownLog, size: int, log_policy: Path) -> None:
    with served(grown_log.folders[size]) as url:
        outcome = run(torchwood, "entries", url, log_policy)
    assert outcome.must_succeed() == f"verified {size} entries\n"


def test_every_entry_streams_from_the_plain_folder(torchwood: Path, grown_log: GrownLog, log_policy: Path) -> None:
    with served_plainly(grown_log.whole) as url:
        outcome = run(torchwood, "entries", url, log_policy)
    assert outcome.must_succeed() == f"verified {SIZES[-1]} entries\n"


@pytest.mark.parametrize("path", ["tile/0/000", "tile/entries/000"])
def test_a_changed_bit_is_found(
    torchwood: Path, grown_log: GrownLog, path: str, log_policy: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(grown_log.folders[257], tmp_path / "public")
    content = bytearray((folder / path).read_bytes())
    content[-1] ^= 1
    (folder / path).write_bytes(content)
    with served(folder) as url:
        outcome = run(torchwood, "entries", url, log_policy)
    assert outcome.status == 1, str(outcome)


@pytest.mark.parametrize("index", PROVED)
def test_a_proof_holds(torchwood: Path, grown_log: GrownLog, index: int, log_policy: Path, tmp_path: Path) -> None:
    verify(torchwood, tmp_path, log_policy, grown_log.entries[index], grown_log.proofs[index]).must_succeed()


def test_a_proof_holds_for_its_entry_only(
    torchwood: Path, grown_log: GrownLog, log_policy: Path, tmp_path: Path
) -> None:
    entry, proof = grown_log.entries[255], grown_log.proofs[255]
    assert verify(torchwood, tmp_path, log_policy, entry + b" ", proof).status == 1
    moved = bytes(replace(parse_proof(proof), index=254))
    assert verify(torchwood, tmp_path, log_policy, entry, moved).status == 1


def test_a_quorum_of_two_witnesses(torchwood: Path, grown_log: GrownLog, tmp_path: Path) -> None:
    one, two = (OwnWitness.create(f"witness.example/w{n}", KeyType.ED25519_COSIGNATURE) for n in (1, 2))
    policy = tmp_path / "policy"
    policy.write_text(
        f"log {grown_log.ed25519}\nwitness one {one.key}\nwitness two {two.key}\ngroup both all one two\nquorum both\n"
    )
    entry, proof = grown_log.entries[0], parse_proof(grown_log.proofs[0])
    by_one = replace(proof, checkpoint=one.cosign(proof.checkpoint))
    by_both = replace(proof, checkpoint=two.cosign(by_one.checkpoint))
    verify(torchwood, tmp_path, policy, entry, bytes(by_both)).must_succeed()
    assert verify(torchwood, tmp_path, policy, entry, bytes(by_one)).status == 1


def test_spicy_verifies_the_old_form_of_a_proof(spicy: Path, grown_log: GrownLog, tmp_path: Path) -> None:
    """That form has no first line."""
    (tmp_path / "entry").write_bytes(grown_log.entries[256])
    (tmp_path / "entry.spicy").write_bytes(grown_log.proofs[256].removeprefix(f"{HEADER}\n".encode()))
    outcome = run(spicy, "-verify", str(grown_log.ed25519), tmp_path / "entry")
    assert "verified" in outcome.must_succeed()
    (tmp_path / "entry").write_bytes(grown_log.entries[255])
    assert run(spicy, "-verify", str(grown_log.ed25519), tmp_path / "entry").status == 1
