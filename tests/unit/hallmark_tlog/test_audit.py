import dataclasses

import pytest

from hallmark_tlog.audit import AuditReport, audit
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.errors import (
    BadSignature,
    ForkError,
    FormatError,
    MissingResource,
    NotSigned,
    OriginMismatch,
    RollbackError,
    TamperedError,
)
from hallmark_tlog.verify import Require
from unit.hallmark_tlog.virtual_log import (
    LOG_ED25519,
    LOG_VKEYS,
    ORIGIN,
    SIGNED_AT,
    WITNESS_ED25519,
    VirtualLog,
    sign_note,
)


def run(log: VirtualLog, previous: Checkpoint | None = None) -> AuditReport:
    return audit(log.fetch, LOG_VKEYS, origin=ORIGIN, previous=previous)


def flip(data: bytes, position: int) -> bytes:
    return data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 600])
def test_an_honest_log(size: int) -> None:
    log = VirtualLog.of_size(size)
    report = run(log)
    assert report.checkpoint == log.checkpoint
    assert (report.entries_verified, report.inclusions_verified) == (size, size)
    assert report.tile_hashes_verified == size + size // 256
    assert [signer.timestamp for signer in report.signers] == [None, SIGNED_AT]
    assert report.consistent_from is None


def test_a_log_of_three_tile_levels() -> None:
    log = VirtualLog.of_size(65_537)
    report = run(log, previous=log.at(65_535))
    assert report.tile_hashes_verified == 65_537 + 256 + 1
    assert report.inclusions_verified == 65_537
    assert report.consistent_from == 65_535


@pytest.mark.parametrize("old", [0, 1, 255, 256, 299, 300])
def test_consistency_with_every_kind_of_earlier_checkpoint(old: int) -> None:
    log = VirtualLog.of_size(300)
    assert run(log, previous=log.at(old)).consistent_from == old


def test_progress_is_told() -> None:
    log = VirtualLog.of_size(300)
    told: list[tuple[int, int]] = []
    audit(log.fetch, LOG_VKEYS, origin=ORIGIN, progress=lambda done, size: told.append((done, size)))
    assert told == [(256, 300), (300, 300)]


def test_signature_and_origin() -> None:
    log = VirtualLog.of_size(3)
    with pytest.raises(OriginMismatch):
        audit(log.fetch, LOG_VKEYS, origin="log.example/other")
    with pytest.raises(NotSigned):
        audit(log.fetch, [WITNESS_ED25519.vkey], origin=ORIGIN)
    log.sign(LOG_ED25519)
    with pytest.raises(NotSigned):
        audit(log.fetch, LOG_VKEYS, origin=ORIGIN, require=Require.ALL)
    log.files["checkpoint"] = log.files["checkpoint"].replace(b"\n3\n", b"\n2\n")
    with pytest.raises(BadSignature):
        run(log)
    log.files["checkpoint"] = b"?"
    with pytest.raises(FormatError):
        run(log)


@pytest.mark.parametrize("size", [1, 256, 300])
def test_any_missing_file_is_named(size: int) -> None:
    for path in VirtualLog.of_size(size).files:
        log = VirtualLog.of_size(size)
        del log.files[path]
        with pytest.raises(MissingResource) as caught:
            run(log)
        assert caught.value.path == path


@pytest.mark.parametrize("path", ["tile/entries/000", "tile/entries/002.p/88", "tile/0/001", "tile/0/002.p/88"])
def test_a_flipped_bit_in_an_entry_or_leaf(path: str) -> None:
    log = VirtualLog.of_size(600)
    log.files[path] = flip(log.files[path], len(log.files[path]) - 1)
    index = int(path.split("/")[2][:3]) * 256 + (87 if path.endswith("88") else 255)
    with pytest.raises(TamperedError, match=rf"entry {index} does not hash") as caught:
        run(log)
    assert caught.value.path == path.replace("/0/", "/entries/")


def test_a_flipped_bit_in_a_higher_tile() -> None:
    log = VirtualLog.of_size(600)
    log.files["tile/1/000.p/2"] = flip(log.files["tile/1/000.p/2"], 32)
    with pytest.raises(TamperedError, match="hash 1 is not that of tile 1, level 0") as caught:
        run(log)
    assert caught.value.path == "tile/1/000.p/2"


def test_an_entry_and_its_leaf_altered_together() -> None:
    """The forger also fixes the leaf: the level above gives it away, and below 256 entries the signed root does."""
    for size, path in ((600, "tile/1/000.p/2"), (200, "checkpoint")):
        honest = VirtualLog.of_size(size)
        forged = VirtualLog([b"forged", *honest.entries[1:]])
        tile = "tile/0/000" if size > 256 else f"tile/0/000.p/{size}"
        bundle = tile.replace("/0/", "/entries/")
        honest.files |= {name: forged.files[name] for name in (tile, bundle)}
        with pytest.raises(TamperedError) as caught:
            run(honest)
        assert caught.value.path == path


def test_a_whole_other_log_under_the_signed_checkpoint() -> None:
    honest, forged = VirtualLog.of_size(600), VirtualLog([b"forged"] * 600)
    forged.files["checkpoint"] = honest.files["checkpoint"]
    with pytest.raises(TamperedError, match="the log signed") as caught:
        run(forged)
    assert caught.value.path == "checkpoint"


def test_tiles_that_change_during_the_audit() -> None:
    """A server that shows a bad tile to the proofs and, once it fell out of the cache, a good one to the comparison."""
    log = VirtualLog.of_size(70_000)
    bad = flip(log.files["tile/0/273.p/112"], 0)
    served: list[str] = []

    def fetch(path: str) -> bytes:
        served.append(path)
        first = path == "tile/0/273.p/112" and served.count(path) == 1
        return bad if first else log.fetch(path)

    with pytest.raises(TamperedError, match="changed during the audit"):
        audit(fetch, LOG_VKEYS, origin=ORIGIN)


def test_rollback() -> None:
    log = VirtualLog.of_size(5)
    with pytest.raises(RollbackError, match="size 5, it has shown size 6"):
        run(log, previous=VirtualLog.of_size(6).checkpoint)


def test_two_roots_for_one_size() -> None:
    log = VirtualLog.of_size(5)
    with pytest.raises(ForkError, match="two signed roots for size 5"):
        run(log, previous=dataclasses.replace(log.checkpoint, root=bytes(32)))


@pytest.mark.parametrize("old", [1, 3, 256, 299])
def test_a_rewritten_history(old: int) -> None:
    log = VirtualLog.of_size(300)
    other = VirtualLog([b"other", *log.entries[1:]])
    with pytest.raises(ForkError, match=f"does not begin with the tree of size {old}"):
        run(log, previous=other.at(old))


def test_the_earlier_checkpoint_of_another_log() -> None:
    log = VirtualLog.of_size(5)
    with pytest.raises(OriginMismatch):
        run(log, previous=dataclasses.replace(log.at(3), origin="log.example/other"))


def test_a_log_may_have_dropped_partial_tiles() -> None:
    """A checkpoint from before the tile was full, served with today's files."""
    log = VirtualLog.of_size(600)
    log.files["checkpoint"] = sign_note(log.at(300), LOG_ED25519)
    log.files["tile/1/000.p/1"] = log.files["tile/1/000.p/2"][:32]
    assert run(log).entries_verified == 300


def test_entries_that_follow_each_other_but_are_fewer_than_signed() -> None:
    log = VirtualLog.of_size(10)
    log.files["checkpoint"] = sign_note(dataclasses.replace(log.checkpoint, size=9), LOG_ED25519)
    with pytest.raises(MissingResource):
        run(log)
    shorter = VirtualLog.of_size(9)
    shorter.files["checkpoint"] = log.files["checkpoint"]
    with pytest.raises(TamperedError):
        run(shorter)
