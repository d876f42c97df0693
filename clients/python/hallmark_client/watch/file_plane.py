"""The third way: signed, logged files over plain HTTP, for devices that reach no API or are refused by it.

They bring the whole global feed, and for what is the device's own the status lists: a lease or consent that has an
index there (own["status_list"]) is ended, suspended or lengthened by them.
"""

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Final

from hallmark_client.watch.commands import Do, Fetch, Steps
from hallmark_client.watch.following import Following, differences
from hallmark_client.watch.frames import Feed
from hallmark_client.watch.held import Held, Lists, Place, Writing
from hallmark_events import snapshot
from hallmark_events.errors import LeaseInvalid, SignatureInvalid, StatusListInvalid
from hallmark_events.lease import Lease
from hallmark_events.manifest import FILE_BYTES_MAX, MANIFEST_BYTES_MAX, SIGNATURE_BYTES_MAX, VerifiedManifest
from hallmark_events.snapshot import Snapshot
from hallmark_events.state import FeedState
from hallmark_events.status_list import RAW_BYTES_MAX, parse_reference
from hallmark_events.types import LEASE_GRANTED, StatusValue

_PROOF_BYTES_MAX: Final = 65_536
_SMALL: Final = {
    snapshot.MANIFEST_PATH: MANIFEST_BYTES_MAX,
    snapshot.SIGNATURE_PATH: SIGNATURE_BYTES_MAX,
    snapshot.PROOF_PATH: _PROOF_BYTES_MAX,
}


class _Missing(Exception):
    """A file that is not here yet."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self.path = path


@dataclass(slots=True)
class _Files:
    """Files of one manifest: asked for as they are missed, so that reading them needs no connection of its own."""

    found: dict[str, bytes] = field(default_factory=dict)

    def read(self, path: str) -> bytes:
        if path not in self.found:
            raise _Missing(path)
        return self.found[path]


@dataclass(slots=True)
class FilePlane:
    """Keeps the status lists in memory, so that only what changed is fetched."""

    held: Held
    following: Following
    tenant: str
    _snapshot: Snapshot = field(default_factory=Snapshot)

    def look(self) -> Steps[None]:
        """Once. Raises HallmarkError where files can not be had, EventsError where they can not be believed."""
        verified = yield from self._manifest()
        feed = self.held.feeds[Feed.GLOBAL]
        self.following.places.bind(feed, verified.manifest.epoch)
        before = feed.entries()
        mirror, kept = dict(feed.state.mirror), dict(feed.state.kept)
        copy = FeedState(feed.state.epoch, feed.state.sequence, dict(mirror), dict(kept))
        self._snapshot.state, self._snapshot.seen = copy, self.held.lists.seen
        try:
            yield from self._fetching(verified)
        finally:
            # Also what was read of it before something was wrong: restrictions hold.
            feed.state = copy
            for old, new in ((mirror, copy.mirror), (kept, copy.kept)):
                feed.dirty |= {subject for subject in old.keys() | new.keys() if old.get(subject) != new.get(subject)}
            changes = differences(Feed.GLOBAL, before, feed.entries())
            self.held.pending.update({(one.feed, one.jti): one for one in changes})
        yield from self._take(verified)

    def _take(self, verified: VerifiedManifest) -> Steps[None]:
        feed, following = self.held.feeds[Feed.GLOBAL], self.following
        lists = self._lists(verified)
        manifest = verified.manifest
        following.places.note(Feed.GLOBAL, manifest.epoch, manifest.sequence)
        clock = self.held.clock
        trusted = clock.trusted.read(manifest.issued_at, following.settings.clock.read())
        self.held.lists, self.held.clock = lists, dataclasses.replace(clock, trusted=trusted)
        yield from following.write(Writing(lists=lists))
        yield from following.tell()
        cursor = "" if feed.place is None else feed.place.cursor
        digest = feed.state.digest()
        place = Place(feed.state.epoch, feed.state.sequence, cursor, digest, digest)
        yield from following.write(self.held.at_bookmark(feed, place))
        following.is_current = True

    def _manifest(self) -> Steps[VerifiedManifest]:
        try:
            return (yield from self._read_manifest())
        except SignatureInvalid:
            # The three files change together and are read one after the other: once more before it is believed.
            return (yield from self._read_manifest())

    def _read_manifest(self) -> Steps[VerifiedManifest]:
        found = {}
        for path, size in _SMALL.items():
            found[path] = yield Fetch(path, size)
        # Proven time: a real-time clock that is far ahead would hide every manifest, and the restrictions in it. How
        # fresh what it tells is counts from issued_at, so nothing is gained by an old one.
        now = self.held.clock.trusted.at(self.following.settings.clock.read()).proven
        verify = partial(
            snapshot.verify_manifest,
            found[snapshot.MANIFEST_PATH],
            found[snapshot.SIGNATURE_PATH],
            found[snapshot.PROOF_PATH],
            self.following.verifier,
            tenant=self.tenant,
            seen=self.held.lists.seen,
            now=now,
        )
        verified: VerifiedManifest = yield Do(verify)
        return verified

    def _fetching(self, verified: VerifiedManifest) -> Steps[None]:
        """Applies the files to the copy; each that is missed is fetched, then it is tried again."""
        files, sizes = _Files(), sizes_of(verified)
        while True:
            try:
                yield Do(partial(self._snapshot.update, verified, files.read, self.following.verifier))
                return
            except _Missing as missing:
                files.found[missing.path] = yield Fetch(missing.path, sizes.get(missing.path, FILE_BYTES_MAX))

    def _lists(self, verified: VerifiedManifest) -> Lists:
        """INVALID stays; the rest is as this manifest says. Leases are lengthened before its time counts."""
        held = self.held.lists
        ended = (subject for subject, status in held.listed.items() if status is StatusValue.INVALID)
        listed = dict.fromkeys(ended, StatusValue(StatusValue.INVALID))
        extended = dict(held.extended)
        for subject, status in self._statuses():
            listed.setdefault(subject, status)
            until = self._extended(subject, verified, listed[subject], extended.get(subject))
            if until is not None:
                extended[subject] = until
        issued_at = verified.manifest.issued_at
        return Lists(seen=verified.seen, issued_at=issued_at, listed=listed, extended=extended)

    def _extended(
        self, subject: str, verified: VerifiedManifest, status: StatusValue, known: datetime | None
    ) -> datetime | None:
        entry = self.held.get(subject)
        if entry is None or entry.uri != LEASE_GRANTED:
            return None
        try:
            lease = Lease.from_event(entry)
        except LeaseInvalid:
            return None
        until = lease.extended_by(verified, status).expires_at
        return max(until, known or until) if until > lease.expires_at else known

    def _statuses(self) -> Iterator[tuple[str, StatusValue]]:
        """Of what has an index. What the lists do not have, they say nothing of."""
        for _, subject, entry in self.held.subjects():
            if "status_list" not in entry.own:
                continue
            try:
                yield subject, self._snapshot.status_of(parse_reference({"status_list": entry.own["status_list"]}))
            except StatusListInvalid:
                continue


def sizes_of(verified: VerifiedManifest) -> dict[str, int]:
    """Path to the bytes that a file can have."""
    manifest = verified.manifest
    files = [manifest.state, *(delta.file for delta in manifest.deltas)]
    return {one.path: one.size for one in files} | {one.path: RAW_BYTES_MAX for one in manifest.lists}
