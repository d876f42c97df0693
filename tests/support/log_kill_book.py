"""Everything a log that is killed all the time has acknowledged and shown, and what may never be true of it."""

import base64
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import sqlalchemy as sa

from hallmark_tlog.audit import audit
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.compact import CompactRange
from hallmark_tlog.consistency import check_extends
from hallmark_tlog.errors import TlogError
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.merkle import EMPTY_ROOT, leaf_hash
from hallmark_tlog.proof import verify_proof
from hallmark_tlog.reader import TileReader, entries, read_bundle
from hallmark_tlog.tiles import TILE_WIDTH
from hallmark_tlog.verify import Require, open_checkpoint
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from kms.core.database import Database
from kms.log.fsck.files import PublishedFiles
from kms.log.fsck.fsck import Finding, fsck
from support.log_kill_load import ACTS, ORIGIN

_AUDITS_FROM_EARLIER: Final = 5
_NOTHING: Final = Checkpoint(ORIGIN, 0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class Shown:
    """What one public folder showed last, and how often another note was seen there."""

    note: bytes = b""
    checkpoint: Checkpoint = _NOTHING
    timestamp: int = 0
    notes: int = 0


@dataclass
class Book:
    """`findings` is what nobody may ever see: forks, losses, wrong roots, and logs that refuse without a reason."""

    tried: dict[str, str] = field(default_factory=dict)
    """Kind of act, by event key; acknowledged or not."""
    places: dict[str, int] = field(default_factory=dict)
    leaves: dict[str, bytes] = field(default_factory=dict)
    keys_at: dict[int, str] = field(default_factory=dict)
    roots: dict[int, bytes] = field(default_factory=dict)
    """By size: of everything that was signed and seen, in the folders and in proofs."""
    shown: dict[Path, Shown] = field(default_factory=dict)
    answers: int = 0
    proofs: int = 0
    away: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)
    back_in_time: list[str] = field(default_factory=list)
    """Checkpoints with an earlier time than the one that was shown before."""

    def outstanding(self) -> list[tuple[str, str]]:
        """Kind and event key of what was tried and not answered."""
        return [(kind, key) for key, kind in self.tried.items() if key not in self.places]

    # While it runs

    def look(self, folder: Path) -> None:
        """As an auditor who comes now and then."""
        try:
            note = (folder / "checkpoint").read_bytes()
        except FileNotFoundError:
            return
        last = self.shown.get(folder, Shown())
        if note == last.note:
            return
        try:
            opened = open_checkpoint(note, vkeys_of(folder), origin=ORIGIN, require=Require.ALL)
            _check_files(folder, last.checkpoint, opened.checkpoint)
        except TlogError as error:
            self.findings.append(f"what {folder.name} shows does not hold: {type(error).__name__}: {error}")
            return
        checkpoint, timestamp = opened.checkpoint, max(signer.timestamp or 0 for signer in opened.signers)
        if timestamp < last.timestamp:
            self.back_in_time.append(f"{folder.name}: time went back from {last.timestamp} to {timestamp}")
        self.see(checkpoint.size, checkpoint.root, f"shown in {folder.name}")
        self.shown[folder] = Shown(note, checkpoint, timestamp, last.notes + 1)

    def see(self, size: int, root: bytes, where: str) -> None:
        if self.roots.setdefault(size, root) != root:
            self.findings.append(f"A FORK: two roots for size {size}, {where}: {self.roots[size].hex()} {root.hex()}")

    def read(self, journal: Path, vkeys: list[VerifierKey]) -> bool:
        """What a life wrote down. Whether it came up; a line that death cut off does not count."""
        came_up = False
        for line in journal.read_text().split("\n")[:-1]:
            match line.split(" "):
                case ["up"]:
                    came_up = True
                case ["try", kind, key]:
                    self.tried[key] = kind
                case ["ack", key, index, leaf, size, root]:
                    self._acknowledge(key, int(index), leaf, journal.name)
                    if size != "-":
                        self.see(int(size), base64.b64decode(root), f"in a proof for {key}")
                        if int(index) >= int(size):
                            self.findings.append(f"entry {index} proved by a tree of {size}")
                case ["proof", key, entry, proof]:
                    self._verify(key, base64.b64decode(entry), base64.b64decode(proof), vkeys)
                case ["away", *words]:
                    self.away[" ".join(words)[:120]] += 1
                case _:
                    self.findings.append(f"{journal.name}: {line}")
        return came_up

    def _acknowledge(self, key: str, index: int, leaf: str, where: str) -> None:
        self.answers += 1
        if (before := self.places.setdefault(key, index)) != index:
            self.findings.append(f"{where}: {key} was at {before}, is at {index}")
        if (other := self.keys_at.setdefault(index, key)) != key:
            self.findings.append(f"{where}: {index} was given to {other} and to {key}")
        if leaf != "-" and self.leaves.setdefault(key, bytes.fromhex(leaf)) != bytes.fromhex(leaf):
            self.findings.append(f"{where}: {key} has two leaf hashes")

    def _verify(self, key: str, entry: bytes, proof: bytes, vkeys: list[VerifierKey]) -> None:
        self.proofs += 1
        try:
            verified = verify_proof(proof, entry, vkeys, origin=ORIGIN, require=Require.ALL)
        except TlogError as error:
            self.findings.append(f"the proof for {key} does not verify: {error}")
            return
        if verified.index != self.places.get(key):
            self.findings.append(f"the proof for {key} is for index {verified.index}, not {self.places.get(key)}")

    # At the end

    def check(self, folder: Path) -> int:
        """The published files, against all of this. Gives the size of the log."""
        size = self._audit(folder, None)
        sizes = sorted(each for each in self.roots if 0 < each <= size)
        for earlier in random.Random(1).sample(sizes, min(_AUDITS_FROM_EARLIER, len(sizes))):
            self._audit(folder, Checkpoint(ORIGIN, earlier, self.roots[earlier]))
        logged = list(entries(folder_fetcher(folder), size))
        self._check_roots(logged)
        self._check_entries(logged)
        return size

    def _audit(self, folder: Path, previous: Checkpoint | None) -> int:
        fetch, vkeys = folder_fetcher(folder), vkeys_of(folder)
        try:
            return audit(fetch, vkeys, origin=ORIGIN, previous=previous, require=Require.ALL).checkpoint.size
        except TlogError as error:
            self.findings.append(f"an auditor refuses {folder.name}: {type(error).__name__}: {error}")
            return 0

    def _check_roots(self, logged: list[bytes]) -> None:
        """Every root ever seen is that of the first entries of the log: so all of them are consistent."""
        tree = CompactRange()
        for size, root in sorted(self.roots.items()):
            if size > len(logged):
                self.findings.append(f"size {size} was signed, the log ends at {len(logged)}")
                return
            tree.extend(map(leaf_hash, logged[tree.size : size]))
            if tree.root() != root:
                self.findings.append(f"A WRONG ROOT: size {size} was signed with {root.hex()}, is {tree.root().hex()}")

    def _check_entries(self, logged: list[bytes]) -> None:
        keys = [json.loads(entry)["id"] for entry in logged]
        self.findings += [f"{key} is there {count} times" for key, count in Counter(keys).items() if count > 1]
        self.findings += [f"{key} is there, and nobody tried it" for key in keys if key not in self.tried]
        for key, index in self.places.items():
            if index >= len(logged):
                self.findings.append(f"LOST: {key} was acknowledged at {index}, the log ends at {len(logged)}")
            elif keys[index] != key or leaf_hash(logged[index]) != self.leaves.get(key, leaf_hash(logged[index])):
                self.findings.append(f"LOST: {key} was acknowledged at {index}, there is {keys[index]}")

    def check_database(self, url: str, folder: Path) -> None:
        """What `hallmark log fsck` asks, and every act has its entry."""
        public = PublishedFiles(folder)
        found: list[Finding] = []
        database = Database(url)
        try:
            with database.engine.connect() as connection:
                examined = fsck(connection, found.append, public=public)
                acts = {key for (key,) in connection.execute(sa.select(ACTS.c.event_key))}
                logged = set(connection.execute(sa.text("SELECT event_key FROM tlog_entry")).scalars())
        finally:
            database.close()
        self.findings += [f"fsck: {finding}" for finding in found]
        if [each.published for each in examined] != [each.entries for each in examined]:
            self.findings.append(f"not all is published: {examined}")
        recorded = {key for key, kind in self.tried.items() if kind == "record"} & logged
        if acts != recorded:
            self.findings.append(f"{len(acts - recorded)} acts without entry, {len(recorded - acts)} without act")


def _check_files(folder: Path, previous: Checkpoint, current: Checkpoint) -> None:
    """They are there before their checkpoint is: the tiles lead from the earlier root to this one, and the last bundle.

    Raises TlogError: RollbackError, ForkError, MissingResource and others.
    """
    fetch = folder_fetcher(folder)
    check_extends(previous, current, TileReader(fetch, current.size).read_hash)
    if current.size > 0:
        read_bundle(fetch, (current.size - 1) // TILE_WIDTH, current.size)


def vkeys_of(folder: Path) -> list[VerifierKey]:
    return [parse_vkey(line) for line in (folder / "verifier-keys").read_text().splitlines()]
