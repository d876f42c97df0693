"""litewitness and omniwitness cosign our checkpoints, asked by plain HTTP in the words of hallmark_tlog.witness."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from hallmark_tlog.by_policy import verify_proof_by_policy
from hallmark_tlog.errors import QuorumNotReached
from hallmark_tlog.note import Note, SignatureLine, parse_note
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.proof import TlogProof, parse_proof, verify_proof
from hallmark_tlog.verify import Require
from hallmark_tlog.witness import Answer, Cosigned, Refusal, Refused, SizeConflict, TryLater
from peers.grown_log import SIZES, GrownLog
from peers.tools import Peers, run
from peers.witnesses import RunningWitness, litewitness, omniwitness

_WHOLE = SIZES[-1]


@pytest.fixture(params=["litewitness", "omniwitness", "omniwitness that knows the ML-DSA-44 key of the log"])
def witness(request: pytest.FixtureRequest, peers: Peers, tmp_path: Path) -> Iterator[RunningWitness]:
    peers.require("torchwood" if request.param == "litewitness" else "omniwitness")  # before the log is made
    log = request.getfixturevalue("grown_log")
    match request.param:
        case "litewitness":
            running = litewitness(peers, tmp_path, log.ed25519)
        case "omniwitness":
            running = omniwitness(peers, tmp_path, log.ed25519)
        case _:
            running = omniwitness(peers, tmp_path, log.ml_dsa)
    with running as witness:
        yield witness


@pytest.fixture
def both(
    request: pytest.FixtureRequest, peers: Peers, tmp_path: Path
) -> Iterator[tuple[RunningWitness, RunningWitness]]:
    """Litewitness and omniwitness, who know the log by its Ed25519 key."""
    peers.require("torchwood")
    peers.require("omniwitness")
    log = request.getfixturevalue("grown_log").ed25519
    with litewitness(peers, tmp_path, log) as lite, omniwitness(peers, tmp_path, log) as omni:
        yield lite, omni


@pytest.fixture
def torchwood(peers: Peers) -> Path:
    return peers.program("torchwood-check")


@pytest.fixture
def proofbundle(peers: Peers) -> Path:
    return peers.python().with_name("proofbundle")


def reason_of(answer: Answer) -> Refusal | Answer:
    return answer.reason if isinstance(answer, Refused) else answer


def cosigned(proof: TlogProof, witness: RunningWitness) -> TlogProof:
    """The proof with the witness's lines. It is shown the log's own two lines only."""
    note = parse_note(proof.checkpoint)
    answer = witness.ask(0, (), bytes(replace(note, signatures=note.signatures[:2])))
    assert isinstance(answer, Cosigned), answer
    return replace(proof, checkpoint=bytes(Note(note.text, (*note.signatures, *(line for line, _ in answer.lines)))))


def test_it_follows_the_log_from_size_0(witness: RunningWitness, grown_log: GrownLog) -> None:
    for old, new in ((0, 255), (255, 257), (257, _WHOLE), (_WHOLE, _WHOLE)):
        proof = grown_log.consistency[old, new] if old else ()
        answer = witness.ask(old, proof, grown_log.checkpoint(new))
        assert isinstance(answer, Cosigned), answer
        signed = {(line.name, line.key_id) for line, _ in answer.lines}
        assert signed == {(key.name, key.key_id) for key in witness.keys}


def test_it_says_its_size_and_takes_a_proof_from_there(witness: RunningWitness, grown_log: GrownLog) -> None:
    assert isinstance(witness.ask(0, (), grown_log.checkpoint(256)), Cosigned)
    answer = witness.ask(0, (), grown_log.checkpoint(_WHOLE))
    assert answer == SizeConflict(256)
    proof = grown_log.consistency[answer.size, _WHOLE]
    assert isinstance(witness.ask(answer.size, proof, grown_log.checkpoint(_WHOLE)), Cosigned)


def test_it_refuses_what_it_must(witness: RunningWitness, grown_log: GrownLog) -> None:
    assert isinstance(witness.ask(0, (), grown_log.checkpoint(256)), Cosigned)
    note = parse_note(grown_log.checkpoint(257))
    stranger = bytes(replace(note, text=note.text.replace(grown_log.origin, "log.example/stranger")))
    unsigned = bytes(Note(note.text, (SignatureLine("log.example/stranger", bytes(4), bytes(64)),)))
    proof = grown_log.consistency[256, 257]
    bad_proof = (bytes(32), *proof[1:])
    assert reason_of(witness.ask(256, bad_proof, bytes(note))) is Refusal.INCONSISTENT
    assert reason_of(witness.ask(256, (), grown_log.checkpoint(255))) is Refusal.BAD_REQUEST
    assert reason_of(witness.ask(256, proof, stranger)) is Refusal.UNKNOWN_LOG
    # C2SP tlog-witness says 403 for this one; omniwitness answers 500.
    expected = TryLater(500) if witness.name == "omniwitness" else Refusal.NO_LOG_SIGNATURE
    assert reason_of(witness.ask(256, proof, unsigned)) == expected


def test_its_cosignatures_hold_in_a_proof(witness: RunningWitness, grown_log: GrownLog) -> None:
    proof = cosigned(parse_proof(grown_log.proofs[256]), witness)
    keys = (grown_log.ed25519, grown_log.ml_dsa, *witness.keys)
    verified = verify_proof(proof, grown_log.entries[256], keys, origin=grown_log.origin, require=Require.ALL)
    assert len(verified.checkpoint.cosigners) == len(witness.keys)


def test_a_quorum_of_both_means_the_same_to_everybody(
    torchwood: Path, proofbundle: Path, both: tuple[RunningWitness, RunningWitness], grown_log: GrownLog, tmp_path: Path
) -> None:
    """To hallmark_tlog and torchwood by a policy of Ed25519 keys; to proofbundle with omniwitness's ML-DSA-44 key."""
    lite, omni = both
    lite_key, (omni_ed25519, omni_ml_dsa) = lite.keys[0], omni.keys
    log, entry, policy, file = grown_log.ed25519, tmp_path / "entry", tmp_path / "policy", tmp_path / "proof"
    entry.write_bytes(grown_log.entries[256])
    policy.write_text(
        f"log {log}\nwitness lite {lite_key}\nwitness omni {omni_ed25519}\ngroup both all lite omni\nquorum both\n"
    )
    bundle = [proofbundle, "verify-proof", file, f"--payload-file={entry}", f"--expected-origin={grown_log.origin}"]
    bundle += [f"--log-vkey={log}", f"--witness-vkey={lite_key}", f"--witness-vkey={omni_ml_dsa}", "--threshold=2"]

    by_one = cosigned(parse_proof(grown_log.proofs[256]), lite)
    file.write_bytes(bytes(by_one))
    with pytest.raises(QuorumNotReached, match="omni"):
        verify_proof_by_policy(by_one, entry.read_bytes(), parse_policy(policy.read_text()))
    assert run(torchwood, "proof", policy, entry, file).status == 1
    assert run(*bundle).status == 1

    by_both = cosigned(by_one, omni)
    file.write_bytes(bytes(by_both))
    verify_proof_by_policy(by_both, entry.read_bytes(), parse_policy(policy.read_text()))
    run(torchwood, "proof", policy, entry, file).must_succeed()
    run(*bundle).must_succeed()
