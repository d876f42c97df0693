"""An auditor with nothing but a log's public files: is every published byte what the log signed?

Steps, for a checkpoint of size n (RFC 6962 section 5.3):
1. Fetch the checkpoint, verify its signatures and its origin.
2. Compare it with the checkpoint seen before, if any: never smaller, never another root for the same size, and its tree
   begins with the tree of then.
3. For every entry bundle: hash the entries, compare with the level-0 tile, grow the tree; compare each hash the tree
   completes with the tile above it. An audit that goes on from a state reads only what is new, and compares the old
   part of the tiles that have grown with the peaks it kept.
4. The rebuilt root is the signed root. That proves the inclusion of every entry (`rebuild` says why).
5. If asked for, build the inclusion proof of every entry from the tiles all the same, and verify it: it tests the
   reading of proofs more than the log, and takes about twenty times as long.
Reads each file once or a few times; memory does not grow with the log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hallmark_tlog.acceptance import Accept, accept_signed_by
from hallmark_tlog.ahead import fetching_ahead, paths_of
from hallmark_tlog.audit_state import AuditState
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.consistency import check_extends, check_not_behind
from hallmark_tlog.errors import FormatError, InclusionError, TamperedError
from hallmark_tlog.fetch import Fetch
from hallmark_tlog.merkle import fold_peaks, verify_inclusion
from hallmark_tlog.prove import inclusion_proofs
from hallmark_tlog.reader import TileReader
from hallmark_tlog.rebuild import OnEntry, Rebuild
from hallmark_tlog.tiles import CHECKPOINT_PATH
from hallmark_tlog.verify import Require, Signer
from hallmark_tlog.vkey import VerifierKey

Progress = Callable[[int, int], None]
"""`progress(done, size)`: entries verified so far, and how many there are."""
Keep = Callable[[AuditState], None]
"""`keep(state)`: how far the audit is, after every bundle but the last. Whoever stores it decides how often."""


@dataclass(frozen=True, slots=True)
class AuditReport:
    """What held. A report exists only if everything did.

    entries_verified: entries that were read and hashed, all of them or those that are new since the state.
    inclusions_verified: entries whose place in the signed tree is proved, by this audit and those it goes on from.
    proofs_verified: how many of their proofs were also built and verified one by one.
    consistent_from: size of the earlier checkpoint that this one was proved to extend, None if none was given.
    state: for the next audit.
    """

    checkpoint: Checkpoint
    signers: tuple[Signer, ...]
    entries_verified: int
    inclusions_verified: int
    proofs_verified: int
    tile_hashes_verified: int
    consistent_from: int | None
    state: AuditState


def audit(
    fetch: Fetch,
    vkeys: Sequence[VerifierKey],
    *,
    origin: str,
    previous: Checkpoint | None = None,
    require: Require = Require.LOG,
    progress: Progress | None = None,
) -> AuditReport:
    """Verify a whole log against its newest checkpoint and, if given, the one verified before.

    Raises FetchError (MissingResource for a file the log must have), SignatureError, OriginMismatch, FormatError for a
    malformed checkpoint, RollbackError, ForkError, TamperedError.
    """
    accept = accept_signed_by(vkeys, origin=origin, require=require)
    return Audit(fetch=fetch, accept=accept, previous=previous, progress=progress).run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """One audit and how it is to be done.

    previous: a checkpoint that was verified before; the whole log is read all the same.
    start: where an earlier audit stopped; it brings its checkpoint along, and only what is new is read.
    on_entry: is handed every new entry before the tree is known to have the signed root.
    connections: so many files are fetched at once.
    """

    fetch: Fetch
    accept: Accept
    previous: Checkpoint | None = None
    start: AuditState | None = None
    progress: Progress | None = None
    keep: Keep | None = None
    on_entry: OnEntry | None = None
    every_proof: bool = False
    connections: int = 1

    def run(self, note: bytes | None = None) -> AuditReport:
        """Against the published checkpoint, or against `note`. Raises as `audit`, FormatError for a bad `start`."""
        note = self.fetch(CHECKPOINT_PATH) if note is None else note
        opened = self.accept(note)
        current, previous = opened.checkpoint, self._earlier()
        if previous is not None:
            check_not_behind(previous, current)
        altered = self._check_extends(previous, current)
        paths = paths_of(0 if self.start is None else self.start.entries, current.size)
        with fetching_ahead(self.fetch, paths, connections=self.connections) as fetch:
            rebuild = Rebuild(fetch, current.size, start=self.start)
            before = rebuild.entries
            proofs = self._read_entries(rebuild, current, None if altered is not None else note)
        _check_root(rebuild, current)
        if altered is not None:
            raise altered
        proofs.finish()
        return AuditReport(
            checkpoint=current,
            signers=opened.signers,
            entries_verified=rebuild.entries - before,
            inclusions_verified=rebuild.entries,
            proofs_verified=proofs.verified,
            tile_hashes_verified=rebuild.tile_hashes,
            consistent_from=None if previous is None else previous.size,
            state=AuditState(rebuild.entries, rebuild.peaks, note),
        )

    def _read_entries(self, rebuild: Rebuild, signed: Checkpoint, note: bytes | None) -> "_EveryProof":
        """`note`: what a kept state may name, None when nothing may be kept."""
        proofs = _EveryProof(signed)
        while rebuild.entries < signed.size:
            leaves = rebuild.add_bundle(self.on_entry)
            if self.every_proof:
                proofs.verify(rebuild, leaves)
            if self.keep is not None and note is not None and rebuild.entries < signed.size:
                self.keep(AuditState(rebuild.entries, rebuild.peaks, note))
            if self.progress is not None:
                self.progress(rebuild.entries, signed.size)
        return proofs

    def _earlier(self) -> Checkpoint | None:
        if self.start is None:
            return self.previous
        signed, entries = self.accept(self.start.note).checkpoint, self.start.entries
        if entries > signed.size:
            raise FormatError(f"this audit state has {entries} entries of a tree of {signed.size}")
        if entries == signed.size and fold_peaks(self.start.peaks) != signed.root:
            raise FormatError(f"the peaks of this audit state do not make the signed root of size {signed.size}")
        return signed

    def _check_extends(self, previous: Checkpoint | None, current: Checkpoint) -> TamperedError | None:
        """A fork raises. Tiles that prove nothing are handed back: reading the entries says which one was altered."""
        if previous is None:
            return None
        try:
            check_extends(previous, current, TileReader(self.fetch, current.size).read_hash)
        except TamperedError as altered:
            return altered
        return None


def _check_root(rebuild: Rebuild, signed: Checkpoint) -> None:
    if rebuild.root() != signed.root:
        raise TamperedError(
            CHECKPOINT_PATH,
            f"the published entries and tiles make the root {rebuild.root().hex()} at size {rebuild.entries}, "
            f"the log signed {signed.root.hex()}",
        )


class _EveryProof:
    """Inclusion proofs built from the tiles, one for each entry."""

    def __init__(self, signed: Checkpoint) -> None:
        self._signed = signed
        self._failure: InclusionError | None = None
        self.verified = 0

    def verify(self, rebuild: Rebuild, leaves: Sequence[bytes]) -> None:
        # A tile further right that was not compared yet can break a proof here. Its own comparison says more about
        # what is wrong, so a failed proof waits until the tree is whole.
        if self._failure is not None:
            return
        size, root = self._signed.size, self._signed.root
        start = rebuild.entries - len(leaves)
        try:
            proofs = inclusion_proofs(start, rebuild.entries, size, rebuild.tiles.read_hash)
            for index, (leaf, proof) in enumerate(zip(leaves, proofs, strict=True), start):
                verify_inclusion(index, size, leaf, proof, root)
                self.verified += 1
        except InclusionError as error:
            self._failure = error

    def finish(self) -> None:
        if self._failure is not None:
            raise TamperedError("tile", f"tiles changed during the audit: {self._failure}")
