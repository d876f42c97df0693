"""What holds now: the newest event of each subject of one feed, and the restrictions that nothing has lifted.

State is the truth and events are deltas: any may be lost, doubled or reordered, and a full transfer heals. Two things
are kept apart. The *mirror* is what the feed has told, subject by subject; its digest equals the server's. A *kept*
restriction is one that a later full transfer no longer tells: not being told again lifts nothing, because a server
that was restored from an old backup, or a cache that lies, would otherwise give back what was taken.

    INVALID    for ever, over full transfers and over epochs
    SUSPENDED  until a later event says VALID (by revision; between two histories by jti, a UUIDv7)
    superseded until a later event says so: a minimum version is VALID, and takes older versions away

During a full transfer restrictions are obeyed at once, and everything else at its commit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final, Self

from hallmark_events.canonical import canonical_json, parse_canonical, parse_hex
from hallmark_events.errors import RolledBack, StateDiffers, StateInvalid
from hallmark_events.event_set import EventSet
from hallmark_events.outcome import Applied, Change, Committed, Ignore, Ignored, Staged
from hallmark_events.state_entry import Entry, Kept, entry_of, is_later, parse_entry
from hallmark_events.types import StatusValue, is_terminal, restricts

__all__ = [
    "Applied", "Change", "Committed", "FeedState", "Ignore", "Ignored", "Staged", "digest_of", "put", "state_digest",
]  # fmt: skip

EPOCH_BYTES: Final = 16
STATE_BYTES_MAX: Final = 2**30
_FORMAT: Final = "hallmark-feed-state/v1"


@dataclass(slots=True)
class FeedState:
    """State of one feed. For one thread. `epoch`: 16 bytes, empty before the first full transfer."""

    epoch: bytes = b""
    sequence: int = 0
    """Of the last bookmark, in this epoch."""
    mirror: dict[str, Entry] = field(default_factory=dict)
    kept: dict[str, Kept] = field(default_factory=dict)
    _staged: dict[str, Entry] | None = None
    _staged_epoch: bytes = b""

    def get(self, subject: str) -> Entry | None:
        """The event that decides about the subject now; None when nothing is known of it."""
        kept = self.kept.get(subject)
        return self.mirror.get(subject) if kept is None else kept.entry

    def status_of(self, subject: str) -> StatusValue | None:
        entry = self.get(subject)
        return None if entry is None else entry.status

    def subjects(self) -> Iterator[str]:
        """All that is known, sorted."""
        return iter(sorted(self.mirror.keys() | self.kept.keys()))

    @property
    def is_transferring(self) -> bool:
        return self._staged is not None

    def apply(self, event: EventSet) -> Applied | Staged | Ignored:
        """One event that was verified. Never makes INVALID anything else, and never goes back in revisions."""
        return self._tell(event) if self._staged is None else self._stage(self._staged, event)

    def go_on(self, epoch: bytes) -> None:
        """For the intents NONE and CHANGES. Raises RolledBack for an earlier history, StateDiffers for a later one."""
        self._abandon()
        if epoch < self.epoch:
            raise RolledBack("the feed goes on in an earlier history than the one that was seen")
        if epoch != self.epoch:
            raise StateDiffers("the feed goes on in another history: ask for a full transfer, without a cursor")

    def begin_full(self, epoch: bytes) -> None:
        """For the intent FULL. What was staged before is dropped. Raises RolledBack for an earlier history."""
        self._abandon()
        if not epoch or epoch < self.epoch:
            raise RolledBack("a full transfer of an earlier history than the one that was seen")
        self._staged, self._staged_epoch = {}, epoch

    def leave_history(self) -> None:
        """For a history that only was told, and that the service speaks of no more: any other may follow.

        All that is held stays. It is of no history, so what is told next is compared with it by time, not by revision.
        """
        self._abandon()
        self.epoch, self.sequence = b"", 0

    def commit_full(self, *, sequence: int, digest: bytes | None = None) -> Committed:
        """At the bookmark: what was staged replaces the mirror, and restrictions that it does not tell are kept.

        Raises StateDiffers when the digest is another one (something was lost on the way) or nothing was begun, and
        RolledBack when the same history goes back: a lower sequence or revision, or VALID for what is INVALID for
        ever. The mirror then stays as it was; the restrictions that were told hold already.
        """
        staged, epoch = self._staged, self._staged_epoch
        self._abandon()
        if staged is None:
            raise StateDiffers("no full transfer was begun: ask for one, without a cursor")
        if digest is not None and digest_of(staged) != digest:
            raise StateDiffers("the full transfer is not all that its bookmark counts: ask for it again")
        if epoch == self.epoch:
            self._check_forward(staged, sequence)
        before = self._statuses()
        self.kept = self._kept_against(staged, epoch)
        self.mirror, self.epoch, self.sequence = staged, epoch, sequence
        return Committed(changes=_changes(before, self._statuses()), kept=tuple(sorted(self.kept)))

    def bookmark(self, *, sequence: int, digest: bytes | None = None) -> None:
        """A commit point outside a full transfer. Raises StateDiffers when an event was missed, RolledBack."""
        if sequence < self.sequence:
            raise RolledBack(f"the feed is at {sequence}, behind {self.sequence}")
        if digest is not None and digest != self.digest():
            raise StateDiffers("an event was missed: ask for a full transfer, without a cursor")
        self.sequence = sequence

    def digest(self) -> bytes:
        """Of the mirror, 32 bytes; for FeedStart.state_digest, and equal to that of the server's bookmark."""
        return digest_of(self.mirror)

    def _tell(self, event: EventSet) -> Applied | Ignored:
        before = self.status_of(event.subject)
        refusal = put(self.mirror, event)
        if refusal is Ignore.REPEATED or refusal is Ignore.ENDED:
            return Ignored(event.subject, refusal)
        if refusal is Ignore.OLD_REVISION:
            # INVALID is for ever, in whatever order the events come.
            return self._keep(event, self.epoch) if is_terminal(event.status) else Ignored(event.subject, refusal)
        kept = self.kept.get(event.subject)
        if kept is not None and kept.holds_against(entry_of(event), self.epoch):
            return Ignored(event.subject, Ignore.ENDED if is_terminal(kept.entry.status) else Ignore.NOT_LATER)
        self.kept.pop(event.subject, None)
        return Applied(event.subject, before, event.status)

    def _stage(self, staged: dict[str, Entry], event: EventSet) -> Applied | Staged | Ignored:
        refusal = put(staged, event)
        if event.status is not StatusValue.VALID:
            # Obeyed now: the transfer may never be committed.
            return self._keep(event, self._staged_epoch)
        return Staged(event.subject) if refusal is None else Ignored(event.subject, refusal)

    def _keep(self, event: EventSet, epoch: bytes) -> Applied | Ignored:
        """A restriction that the mirror does not tell, or not yet."""
        held, entry = self._held(event.subject), entry_of(event)
        if held is not None:
            if held.entry.jti == entry.jti:
                return Ignored(event.subject, Ignore.REPEATED)
            if is_terminal(held.entry.status):
                return Ignored(event.subject, Ignore.ENDED)
            if not is_terminal(entry.status) and not is_later(entry, epoch, held):
                return Ignored(event.subject, Ignore.NOT_LATER)
        before = self.status_of(event.subject)
        self.kept[event.subject] = Kept(entry, epoch)
        return Applied(event.subject, before, event.status)

    def _held(self, subject: str) -> Kept | None:
        """What decides about the subject, with the history it was told in."""
        entry = self.mirror.get(subject)
        return self.kept.get(subject) or (None if entry is None else Kept(entry, self.epoch))

    def _check_forward(self, staged: dict[str, Entry], sequence: int) -> None:
        if sequence < self.sequence:
            raise RolledBack(f"the full transfer ends at {sequence}, behind {self.sequence}")
        for subject, told in staged.items():
            held = self.mirror.get(subject)
            if held is None:
                continue
            if told.revision < held.revision or (is_terminal(held.status) and not is_terminal(told.status)):
                raise RolledBack(f"the full transfer takes back what the same history said of {subject}")

    def _kept_against(self, staged: dict[str, Entry], epoch: bytes) -> dict[str, Kept]:
        kept = {}
        for subject in self.subjects():
            held, told = self._held(subject), staged.get(subject)
            if held is None or not restricts(held.entry.uri, held.entry.status):
                continue
            if told is None or held.holds_against(told, epoch):
                kept[subject] = held
        return kept

    def _statuses(self) -> dict[str, StatusValue | None]:
        return {subject: self.status_of(subject) for subject in self.subjects()}

    def _abandon(self) -> None:
        self._staged, self._staged_epoch = None, b""

    def to_json(self) -> bytes:
        """To be stored with the cursor, in the transaction of the effects. Without what a full transfer has staged."""
        return canonical_json(
            {
                "format": _FORMAT,
                "epoch": self.epoch.hex(),
                "sequence": self.sequence,
                "mirror": {subject: entry.to_json() for subject, entry in self.mirror.items()},
                "kept": {
                    subject: {"entry": kept.entry.to_json(), "epoch": kept.epoch.hex()}
                    for subject, kept in self.kept.items()
                },
            }
        )

    @classmethod
    def from_json(cls, data: bytes) -> Self:
        """Raises StateInvalid."""
        match parse_canonical(data, what="a stored state", max_bytes=STATE_BYTES_MAX, refuse=StateInvalid):
            case {
                "format": str(name),
                "epoch": epoch,
                "sequence": int(sequence),
                "mirror": dict(mirror),
                "kept": dict(kept),
            } if name == _FORMAT and type(sequence) is int and sequence >= 0:
                return cls(
                    epoch=_epoch(epoch),
                    sequence=sequence,
                    mirror={subject: parse_entry(value) for subject, value in mirror.items()},
                    kept={subject: _parse_kept(value) for subject, value in kept.items()},
                )
            case _:
                raise StateInvalid("the stored state is of another format: begin with a full transfer")


def digest_of(mirror: Mapping[str, Entry]) -> bytes:
    """32 bytes: `state_digest` of what a mirror holds."""
    return state_digest({subject: entry.jti for subject, entry in mirror.items()})


def state_digest(newest: Mapping[str, str]) -> bytes:
    """Of subject to jti of its newest event: SHA-256 of the canonical JSON array of [subject, jti], sorted by subject.

    JSON frames both texts, so that no two states are spelled alike.
    """
    return sha256(canonical_json(sorted(newest.items()))).digest()


def put(mirror: dict[str, Entry], event: EventSet) -> Ignore | None:
    """Takes the event into a mirror by the rules that the server keeps feeds by; why not, if not."""
    held = mirror.get(event.subject)
    if held is not None:
        if held.jti == event.jti:
            return Ignore.REPEATED
        if event.revision <= held.revision:
            return Ignore.OLD_REVISION
        if is_terminal(held.status) and not is_terminal(event.status):
            return Ignore.ENDED
    mirror[event.subject] = entry_of(event)
    return None


def _changes(before: Mapping[str, StatusValue | None], after: Mapping[str, StatusValue | None]) -> tuple[Change, ...]:
    differences = (
        Change(subject, before.get(subject), after.get(subject)) for subject in sorted(before.keys() | after.keys())
    )
    return tuple(change for change in differences if change.before is not change.after)


def _epoch(value: object) -> bytes:
    return b"" if value == "" else parse_hex(value, EPOCH_BYTES, what="an epoch", refuse=StateInvalid)


def _parse_kept(value: Any) -> Kept:
    match value:
        case {"entry": entry, "epoch": epoch} if len(value) == 2:
            return Kept(parse_entry(entry), _epoch(epoch))
        case _:
            raise StateInvalid("a kept restriction of the stored state is damaged: begin with a full transfer")
