import pytest

from hallmark_tlog.acceptance import accept_signed_by
from hallmark_tlog.errors import InclusionError, NotSigned, TamperedError
from hallmark_tlog.locate import PublicLog, format_consistency_proof
from hallmark_tlog.merkle import leaf_hash, verify_consistency
from hallmark_tlog.proof import parse_proof, verify_proof
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_VKEYS, ORIGIN, WITNESS_ED25519, VirtualLog, sign_note

ACCEPT = accept_signed_by(LOG_VKEYS, origin=ORIGIN)
LOG = VirtualLog.of_size(600)


def public(log: VirtualLog = LOG, note: bytes | None = None) -> PublicLog:
    return PublicLog(log.fetch, ACCEPT, note)


@pytest.mark.parametrize("index", [0, 255, 256, 599])
def test_a_proof_that_others_verify(index: int) -> None:
    found = public().prove(index)
    assert found.verified.entry == LOG.entries[index]
    assert parse_proof(bytes(found.proof)) == found.proof
    assert verify_proof(bytes(found.proof), LOG.entries[index], LOG_VKEYS).index == index


def test_against_an_earlier_checkpoint() -> None:
    log = VirtualLog.of_size(600)
    log.files["tile/1/000.p/1"] = log.files["tile/1/000.p/2"][:32]
    note = sign_note(log.at(300), LOG_ED25519)
    found = public(log, note).prove(299)
    assert (found.proof.checkpoint, found.verified.checkpoint.checkpoint.size) == (note, 300)
    with pytest.raises(InclusionError, match="300 entries"):
        public(note=note).prove(300)


def test_an_unsigned_checkpoint_proves_nothing() -> None:
    with pytest.raises(NotSigned):
        public(note=sign_note(LOG.checkpoint, WITNESS_ED25519))


@pytest.mark.parametrize("path", ["tile/entries/000", "tile/0/000", "tile/1/000.p/2"])
def test_what_was_altered_is_not_handed_out(path: str) -> None:
    log = VirtualLog.of_size(600)
    log.files[path] = log.files[path][:-1] + bytes([log.files[path][-1] ^ 1])
    with pytest.raises(TamperedError):
        public(log).prove(255 if path.startswith("tile/e") else 3)


def test_entries_are_found_by_hash_and_by_content() -> None:
    told: list[tuple[int, int]] = []
    assert public().index_of_leaf(leaf_hash(b"entry 400"), lambda done, size: told.append((done, size))) == 400
    assert told == [(256, 600)]
    assert public().index_of_leaf(bytes(32)) is None
    assert public().index_where(lambda entry: entry.endswith(b" 599")) == 599
    assert public().index_where(lambda entry: False) is None


def test_bytes_across_two_hashes_are_no_hash() -> None:
    leaves = LOG.leaves
    across = leaves[10][16:] + leaves[11][:16]
    assert public().index_of_leaf(across) is None
    assert public().index_of_leaf(leaves[12]) == 12


def test_consistency_between_any_two_sizes() -> None:
    for old, new in ((0, 0), (0, 600), (1, 2), (255, 300), (300, 300), (256, 600)):
        prefix, root = public().between(old, new)
        assert (prefix.root, root) == (LOG.at(old).root, LOG.at(new).root)
        verify_consistency(old, prefix.root, new, root, prefix.proof)


def test_a_consistency_proof_is_written_as_witnesses_take_it() -> None:
    note = LOG.files["checkpoint"]
    prefix = public().prefix(300)
    head, _, checkpoint = format_consistency_proof(prefix, note).partition(b"\n\n")
    assert head.split(b"\n")[0] == b"old 300"
    assert head.count(b"\n") == len(prefix.proof)
    assert checkpoint == note
