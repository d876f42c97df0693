import pytest

from hallmark_tlog.by_policy import open_checkpoint_by_policy, verify_proof_by_policy
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.cosignature import signature_line
from hallmark_tlog.errors import BadSignature, InclusionError, NotSigned, OriginMismatch, QuorumNotReached
from hallmark_tlog.note import Note
from hallmark_tlog.policy import Policy, PolicyLog, Witness, parse_policy
from hallmark_tlog.proof import TlogProof
from hallmark_tlog.prove import inclusion_proof
from hallmark_tlog.verify import Require
from hallmark_tlog.vkey import KeyType
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_ML_DSA,
    ORIGIN,
    WITNESS_ED25519,
    WITNESS_ML_DSA,
    SoftKey,
    VirtualLog,
    sign_note,
)

LOG = VirtualLog.of_size(5)
CHECKPOINT = LOG.checkpoint
POLICY = parse_policy(
    f"log {LOG_ED25519.vkey}\nlog {LOG_ML_DSA.vkey}\nwitness one {WITNESS_ED25519.vkey}\n"
    f"witness two {WITNESS_ML_DSA.vkey}\ngroup g all one two\nquorum g\n"
)
WITNESSES = (WITNESS_ED25519, WITNESS_ML_DSA)
LOG_KEYS = pytest.mark.parametrize("log_key", [LOG_ED25519, LOG_ML_DSA], ids=["0x01", "0x06"])


@LOG_KEYS
def test_one_key_of_the_log_and_the_quorum(log_key: SoftKey) -> None:
    note = sign_note(CHECKPOINT, log_key, *WITNESSES)
    opened = open_checkpoint_by_policy(note, POLICY, origin=ORIGIN)
    assert opened.checkpoint == CHECKPOINT
    assert [signer.name for signer in opened.cosigners] == ["witness.example/one", "witness.example/two"]
    assert [name for name, _ in POLICY.check(opened.signers).cosigners] == ["one", "two"]


@LOG_KEYS
def test_all_keys_of_the_log(log_key: SoftKey) -> None:
    with pytest.raises(NotSigned, match="0x06" if log_key is LOG_ED25519 else "0x01"):
        open_checkpoint_by_policy(sign_note(CHECKPOINT, log_key, *WITNESSES), POLICY, require=Require.ALL)
    both = sign_note(CHECKPOINT, LOG_ED25519, LOG_ML_DSA, *WITNESSES)
    assert open_checkpoint_by_policy(both, POLICY, require=Require.ALL).checkpoint == CHECKPOINT


def test_all_is_about_this_log_only() -> None:
    other = SoftKey.make("log.example/other", KeyType.ED25519, 9)
    policy = Policy((*POLICY.logs, PolicyLog(other.vkey)), POLICY.witnesses, POLICY.groups, POLICY.quorum)
    checkpoint = Checkpoint("log.example/other", 5, CHECKPOINT.root)
    note = sign_note(checkpoint, other, *WITNESSES)
    assert open_checkpoint_by_policy(note, policy, require=Require.ALL).checkpoint == checkpoint
    with pytest.raises(OriginMismatch):
        open_checkpoint_by_policy(note, policy, origin=ORIGIN)


@pytest.mark.parametrize("witness", WITNESSES, ids=["0x04", "0x06"])
def test_too_few_witnesses(witness: SoftKey) -> None:
    with pytest.raises(QuorumNotReached):
        open_checkpoint_by_policy(sign_note(CHECKPOINT, LOG_ED25519, witness), POLICY)


@pytest.mark.parametrize("require", [Require.LOG, Require.ALL])
def test_witnesses_do_not_stand_in_for_the_log(require: Require) -> None:
    with pytest.raises(NotSigned):
        open_checkpoint_by_policy(sign_note(CHECKPOINT, *WITNESSES), POLICY, require=require)


def test_a_witness_named_like_the_log_is_not_the_log() -> None:
    witness = SoftKey.make(ORIGIN, KeyType.ED25519_COSIGNATURE, 7)
    policy = Policy((PolicyLog(LOG_ED25519.vkey),), (Witness("w", witness.vkey),), (), "w")
    with pytest.raises(NotSigned):
        open_checkpoint_by_policy(sign_note(CHECKPOINT, witness), policy)


def test_the_witnesses_alone_if_that_is_asked_for() -> None:
    note = sign_note(CHECKPOINT, *WITNESSES)
    assert open_checkpoint_by_policy(note, POLICY, require=Require.ANY).checkpoint == CHECKPOINT
    with pytest.raises(QuorumNotReached):
        open_checkpoint_by_policy(sign_note(CHECKPOINT, WITNESS_ED25519), POLICY, require=Require.ANY)


def test_a_policy_without_logs_accepts_none() -> None:
    policy = Policy((), POLICY.witnesses, POLICY.groups, POLICY.quorum)
    with pytest.raises(NotSigned):
        open_checkpoint_by_policy(sign_note(CHECKPOINT, LOG_ED25519, *WITNESSES), policy)


def test_a_bad_cosignature_refuses_the_whole_note() -> None:
    bad = signature_line(WITNESS_ED25519.vkey, bytes(64), timestamp=5)
    note = Note(str(CHECKPOINT), (LOG_ED25519.sign(CHECKPOINT), WITNESS_ML_DSA.sign(CHECKPOINT), bad))
    with pytest.raises(BadSignature):
        open_checkpoint_by_policy(bytes(note), POLICY)


def test_extension_lines_that_only_a_witness_signed_are_not_shown() -> None:
    extended = Checkpoint(ORIGIN, CHECKPOINT.size, CHECKPOINT.root, ("a claim",))
    opened = open_checkpoint_by_policy(sign_note(extended, LOG_ML_DSA, *WITNESSES), POLICY)
    assert opened.checkpoint == CHECKPOINT
    opened = open_checkpoint_by_policy(sign_note(extended, LOG_ED25519, *WITNESSES), POLICY)
    assert opened.checkpoint == extended


def test_proofs() -> None:
    def proof_at(note: bytes) -> TlogProof:
        return TlogProof(3, tuple(inclusion_proof(3, 5, LOG.read_hash)), note)

    proof = proof_at(sign_note(CHECKPOINT, LOG_ML_DSA, *WITNESSES))
    for form in (proof, bytes(proof)):
        verified = verify_proof_by_policy(form, LOG.entries[3], POLICY, origin=ORIGIN)
        assert (verified.index, verified.entry, len(verified.checkpoint.cosigners)) == (3, LOG.entries[3], 2)
    with pytest.raises(InclusionError):
        verify_proof_by_policy(proof, LOG.entries[2], POLICY)
    with pytest.raises(NotSigned):
        verify_proof_by_policy(proof, LOG.entries[3], POLICY, require=Require.ALL)
    with pytest.raises(QuorumNotReached):
        verify_proof_by_policy(proof_at(sign_note(CHECKPOINT, LOG_ML_DSA)), LOG.entries[3], POLICY)
