import dataclasses

import pytest

from hallmark_tlog.acceptance import accept_signed_by
from hallmark_tlog.audit import Audit, AuditReport, audit
from hallmark_tlog.audit_state import AuditState
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
from hallmark_tlog.fetch import Fetch
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

ACCEPT = accept_signed_by(LOG_VKEYS, origin=ORIGIN)


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
        Audit(fetch=fetch, accept=ACCEPT, every_proof=True).run()


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


def counting(log: VirtualLog) -> tuple[list[str], Fetch]:
    served: list[str] = []

    def fetch(path: str) -> bytes:
        served.append(path)
        return log.fetch(path)

    return served, fetch


def state_at(size: int) -> AuditState:
    return run(VirtualLog.of_size(size)).state


def test_every_proof_is_verified_one_by_one_when_asked_for() -> None:
    report = Audit(fetch=VirtualLog.of_size(600).fetch, accept=ACCEPT, every_proof=True).run()
    assert (report.proofs_verified, report.inclusions_verified) == (600, 600)
    assert run(VirtualLog.of_size(600)).proofs_verified == 0


@pytest.mark.parametrize("old", [0, 1, 255, 256, 257, 511, 512, 599, 600])
def test_going_on_reads_only_what_is_new(old: int) -> None:
    log = VirtualLog.of_size(600)
    served, fetch = counting(log)
    report = Audit(fetch=fetch, accept=ACCEPT, start=state_at(old)).run()
    assert (report.entries_verified, report.inclusions_verified, report.consistent_from) == (600 - old, 600, old)
    assert report.state == run(log).state
    wanted = ["tile/entries/000", "tile/entries/001", "tile/entries/002.p/88"]
    assert [path for path in served if "entries" in path] == (wanted[old // 256 :] if old < 600 else [])


@pytest.mark.parametrize("entry", [0, 255, 256, 299])
def test_an_old_entry_that_changed_on_the_right_edge(entry: int) -> None:
    """Leaf and entry are altered together, in the tile that has grown: only the kept peaks know better."""
    log, start = VirtualLog.of_size(600), state_at(300)
    forged = VirtualLog([b"forged" if at == entry else data for at, data in enumerate(log.entries)])
    for path in ("tile/0/001", "tile/entries/001", "tile/1/000.p/2"):
        log.files[path] = forged.files[path]
    with pytest.raises(TamperedError, match="hashes are not those that were verified") as caught:
        Audit(fetch=log.fetch, accept=ACCEPT, start=start).run()
    assert caught.value.path == ("tile/1/000.p/2" if entry < 256 else "tile/0/001")


def test_a_bundle_that_lost_the_bytes_of_an_old_entry() -> None:
    log = VirtualLog.of_size(400)
    path = "tile/entries/001.p/144"
    log.files[path] = log.files[path].replace(b"entry 260", b"entry 261", 1)
    with pytest.raises(TamperedError, match="entry 260 does not hash"):
        Audit(fetch=log.fetch, accept=ACCEPT, start=state_at(300)).run()


def test_an_interrupted_audit_goes_on_where_it_stopped_also_when_the_log_has_grown() -> None:
    kept: list[AuditState] = []
    Audit(fetch=VirtualLog.of_size(1000).fetch, accept=ACCEPT, keep=kept.append).run()
    assert [state.entries for state in kept] == [256, 512, 768]
    grown = VirtualLog.of_size(1300)
    served, fetch = counting(grown)
    report = Audit(fetch=fetch, accept=ACCEPT, start=kept[1]).run()
    assert (report.entries_verified, report.inclusions_verified, report.consistent_from) == (788, 1300, 1000)
    assert not {"tile/entries/000", "tile/entries/001"} & set(served)


def test_an_interruption_does_not_hide_a_fork() -> None:
    """What was interrupted had a signed checkpoint: the log must extend that one, however little was read of it."""
    kept: list[AuditState] = []
    Audit(fetch=VirtualLog.of_size(1000).fetch, accept=ACCEPT, keep=kept.append).run()
    other = VirtualLog([b"entry %d" % at if at < 900 else b"other" for at in range(1300)])
    with pytest.raises(ForkError, match="size 1000 it signed before"):
        Audit(fetch=other.fetch, accept=ACCEPT, start=kept[0]).run()


def test_entries_that_were_altered_before_the_interruption_are_found_at_the_root() -> None:
    honest = VirtualLog.of_size(1000)
    forged = VirtualLog([b"forged", *honest.entries[1:]])
    forged.files["checkpoint"] = honest.files["checkpoint"]
    kept: list[AuditState] = []
    with pytest.raises(TamperedError):
        Audit(fetch=forged.fetch, accept=ACCEPT, keep=kept.append).run()
    with pytest.raises(TamperedError):
        Audit(fetch=honest.fetch, accept=ACCEPT, start=kept[-1]).run()


def test_a_state_that_contradicts_itself() -> None:
    log, state = VirtualLog.of_size(300), state_at(300)
    for bad in (
        AuditState(300, tuple(bytes(32) for _ in state.peaks), state.note),
        AuditState(511, tuple(bytes(32) for _ in range(9)), state.note),
    ):
        with pytest.raises(FormatError):
            Audit(fetch=log.fetch, accept=ACCEPT, start=bad).run()


def test_tiles_that_prove_nothing_about_the_earlier_checkpoint_are_named_by_the_rebuild() -> None:
    log = VirtualLog.of_size(600)
    log.files["tile/0/001"] = flip(log.files["tile/0/001"], 32 * 50)
    with pytest.raises(TamperedError) as caught:
        run(log, previous=VirtualLog.of_size(300).checkpoint)
    assert caught.value.path == "tile/entries/001"


def test_new_entries_are_handed_over_with_their_indices() -> None:
    log = VirtualLog.of_size(600)
    seen: list[tuple[int, bytes]] = []
    Audit(fetch=log.fetch, accept=ACCEPT, start=state_at(300), on_entry=lambda at, data: seen.append((at, data))).run()
    assert seen == list(enumerate(log.entries))[300:]


@pytest.mark.parametrize("connections", [1, 2, 8])
def test_fetching_ahead_changes_nothing(connections: int) -> None:
    log = VirtualLog.of_size(3000)
    report = Audit(fetch=log.fetch, accept=ACCEPT, connections=connections).run()
    assert report.state == run(log).state
    del log.files["tile/entries/005"]
    with pytest.raises(MissingResource, match="tile/entries/005"):
        Audit(fetch=log.fetch, accept=ACCEPT, connections=connections).run()
