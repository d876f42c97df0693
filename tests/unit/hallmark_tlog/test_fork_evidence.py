import dataclasses
import json

import pytest

from hallmark_tlog.acceptance import accept_signed_by
from hallmark_tlog.errors import ConsistencyError, ForkError, FormatError, NotSigned
from hallmark_tlog.fork_evidence import ForkEvidence, SeenNote, collect_evidence, parse_evidence, verify_fork
from hallmark_tlog.merkle import ReadHash
from unit.hallmark_tlog.virtual_log import LOG_ED25519, LOG_VKEYS, ORIGIN, WITNESS_ED25519, VirtualLog, sign_note

ACCEPT = accept_signed_by(LOG_VKEYS, origin=ORIGIN)
LOG = VirtualLog.of_size(300)
OTHER = VirtualLog([b"other", *LOG.entries[1:]])


def seen(log: VirtualLog, size: int = 300) -> SeenNote:
    return SeenNote(f"https://{size}.example/", sign_note(log.at(size), LOG_ED25519))


def collected(first: SeenNote, second: SeenNote, read_hash: ReadHash | None = None) -> ForkEvidence:
    found = collect_evidence(first, second, ACCEPT, read_hash)
    assert parse_evidence(bytes(found)) == found
    return found


def test_two_roots_of_one_size_prove_it_alone() -> None:
    fork = verify_fork(collected(seen(LOG), seen(OTHER)), ACCEPT)
    assert {fork.smaller.root, fork.larger.root} == {LOG.checkpoint.root, OTHER.checkpoint.root}


@pytest.mark.parametrize("size", [1, 200, 256, 299])
def test_two_sizes_prove_it_with_the_tiles_of_the_larger(size: int) -> None:
    for pair in ((seen(OTHER, size), seen(LOG)), (seen(LOG), seen(OTHER, size))):
        fork = verify_fork(collected(*pair, LOG.read_hash), ACCEPT)
        assert (fork.smaller, fork.larger) == (OTHER.at(size), LOG.checkpoint)


def test_without_the_tiles_both_notes_are_kept_and_nothing_is_proved() -> None:
    evidence = collected(seen(OTHER, 200), seen(LOG), OTHER.read_hash)
    assert evidence.prefix is None
    with pytest.raises(ForkError, match="no fork is proved"):
        verify_fork(evidence, ACCEPT)


def test_honest_checkpoints_are_no_fork() -> None:
    for pair in ((seen(LOG, 200), seen(LOG)), (seen(LOG), seen(LOG))):
        with pytest.raises(ForkError, match="this is no fork"):
            verify_fork(collected(*pair, LOG.read_hash), ACCEPT)


def test_made_up_evidence_is_refused() -> None:
    evidence = collected(seen(LOG, 200), seen(LOG), LOG.read_hash)
    assert evidence.prefix is not None
    lie = dataclasses.replace(evidence, prefix=dataclasses.replace(evidence.prefix, root=bytes(32)))
    with pytest.raises(ConsistencyError):
        verify_fork(lie, ACCEPT)
    unsigned = SeenNote("nowhere", sign_note(OTHER.checkpoint, WITNESS_ED25519))
    with pytest.raises(NotSigned):
        verify_fork(ForkEvidence(unsigned, seen(LOG)), ACCEPT)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "hallmark-fork-evidence/v2"},
        {"notes": []},
        {"notes": [{"seen_at": "x"}, {"seen_at": "x", "note": "y"}]},
        {"notes": [{"seen_at": "x", "note": "\ud800"}, {"seen_at": "x", "note": "y"}]},
        {"notes": [{"seen_at": "\ud800", "note": "x"}, {"seen_at": "x", "note": "y"}]},
        {"prefix": {"size": -1, "root": "", "proof": []}},
        {"prefix": {"size": True, "root": "A" * 43 + "=", "proof": []}},
        {"prefix": {"size": 1, "root": "AA==", "proof": []}},
        {"prefix": {"size": 1, "root": "é", "proof": []}},
        {"prefix": {"size": 1, "root": "A" * 43 + "=", "proof": [1]}},
        {"more": 1},
    ],
)
def test_other_documents_are_refused(change: dict[str, object]) -> None:
    document = json.loads(bytes(collected(seen(LOG), seen(OTHER)))) | change
    with pytest.raises(FormatError):
        parse_evidence(json.dumps(document).encode())
    with pytest.raises(FormatError):
        parse_evidence(b"[" * 100_000)
