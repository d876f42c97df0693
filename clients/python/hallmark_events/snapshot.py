"""A receiver that only has files: the manifest, and what it names, applied to state and status lists.

    verified = read_manifest(read, verifier, tenant="acme", seen=snapshot.seen, now=now)
    changes = snapshot.update(verified, read, verifier)
    status = snapshot.status_of(lease.status)

Fetching is the caller's: `read(path)` returns the bytes of a file below status/{tenant}/, and may answer from a cache.
Signature and proof are taken from where they never change, under the SHA-256 of the manifest (`evidence_paths`): they
belong to the manifest that was read, whatever was published or cached in between.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from hallmark_events.errors import (
    EventsError,
    ProofInvalid,
    RolledBack,
    SnapshotInvalid,
    Stale,
    StateDiffers,
    StatusListInvalid,
)
from hallmark_events.event_set import EventSet
from hallmark_events.manifest import (
    ENTRY_TYPE,
    FileRef,
    ListRef,
    Manifest,
    SeenManifest,
    VerifiedManifest,
    parse_manifest_signature,
    sha256_hex,
)
from hallmark_events.outcome import Applied, Change
from hallmark_events.snapshot_files import Delta, ListChanges, PackedEvent, parse_delta, parse_state
from hallmark_events.state import FeedState
from hallmark_events.state_entry import entry_of
from hallmark_events.status_list import StatusList, StatusReference
from hallmark_events.trust import LogEvidence, check_logged_payload, check_signature
from hallmark_events.types import MANIFEST_CONTEXT, StatusValue
from hallmark_events.verified import EventVerifier
from hallmark_tlog.errors import TlogError
from hallmark_tlog.proof import parse_proof

Read: TypeAlias = Callable[[str], bytes]

MANIFEST_PATH = "manifest.json"
SIGNATURE_PATH = "manifest.sig"
PROOF_PATH = "manifest.tlog-proof"


def read_manifest(
    read: Read, verifier: EventVerifier, *, tenant: str, seen: SeenManifest | None, now: datetime
) -> VerifiedManifest:
    """Reads and verifies the manifest; `verify_manifest` says by which rules, and what it raises."""
    data = read(MANIFEST_PATH)
    signature_path, proof_path = evidence_paths(data)
    return verify_manifest(
        data,
        read(signature_path),
        read(proof_path),
        verifier,
        tenant=tenant,
        seen=seen,
        now=now,
    )


def evidence_paths(manifest: bytes) -> tuple[str, str]:
    """Where the signature and the log's proof of these very bytes stand, for ever."""
    digest = sha256_hex(manifest)
    return f"sets/{digest}.sig", f"sets/{digest}.tlog-proof"


def verify_manifest(
    data: bytes,
    signature: bytes,
    tlog_proof: bytes,
    verifier: EventVerifier,
    *,
    tenant: str,
    seen: SeenManifest | None,
    now: datetime,
) -> VerifiedManifest:
    """1. signed  2. in the log  3. of our issuer and tenant  4. not behind the last one  5. not over.

    now: trusted time (`trusted_time.Now.time`). Raises KeyUnknown, SignatureInvalid, ProofMissing, ProofInvalid,
    SnapshotInvalid, RolledBack (an older history or number, or another manifest of the same number), Stale.
    """
    signed = parse_manifest_signature(signature)
    check_signature(data, signed, verifier.trusted_keys, context=MANIFEST_CONTEXT)
    try:
        entry = parse_proof(tlog_proof).extra
    except TlogError as error:
        raise ProofInvalid(f"the manifest's proof is not one: {error}") from error
    logged = check_logged_payload(sha256_hex(data), LogEvidence(entry, tlog_proof), verifier.log_policy)
    if logged.entry.event_type != ENTRY_TYPE:
        raise ProofInvalid(f"the manifest's log entry is of type {logged.entry.event_type[:80]}")
    manifest = Manifest.parse(data)
    if manifest.tenant != tenant or verifier.issuer not in {None, manifest.issuer}:
        raise SnapshotInvalid("the manifest is of another issuer or tenant")
    found = SeenManifest(manifest.epoch, manifest.number, sha256_hex(data))
    _check_forward(found, seen)
    if now >= manifest.not_after:
        raise Stale("the manifest is over: read it past the caches")
    return VerifiedManifest(manifest=manifest, seen=found, signed_by=signed.key_version, logged=logged)


@dataclass(slots=True)
class Snapshot:
    """What the files say: state of the global feed, status lists by number. `seen` and `state` are to be stored.

    The state may be one that a stream also feeds: what the stream told later than the files is left alone.
    """

    state: FeedState = field(default_factory=FeedState)
    lists: dict[int, StatusList] = field(default_factory=dict)
    seen: SeenManifest | None = None
    uris: dict[str, int] = field(default_factory=dict)
    """Number of the list at each URI."""

    def update(self, verified: VerifiedManifest, read: Read, verifier: EventVerifier) -> tuple[Change, ...]:
        """By a delta where one leads here from what is held, by the whole files otherwise; reads nothing twice.

        Raises what verifying events does, SnapshotInvalid, StatusListInvalid, StateDiffers and RolledBack. Lists and
        `seen` then stay as they were; restrictions that were read hold all the same.
        """
        manifest = verified.manifest
        _check_forward(verified.seen, self.seen)
        delta = self._delta(manifest, read)
        lists = {
            ref.number: self._list(ref, None if delta is None else _changes_of(delta, ref.number), read)
            for ref in manifest.lists
        }
        changes = self._move_state(manifest, delta, read, verifier)
        self.lists, self.seen = lists, verified.seen
        self.uris = {ref.uri: ref.number for ref in manifest.lists}
        return changes

    def status_of(self, reference: StatusReference) -> StatusValue:
        """Of one token. Raises StatusListInvalid for a list or index that is not there, or a status of another kind."""
        number = self.uris.get(reference.uri)
        if number is None:
            raise StatusListInvalid(f"no status list at {reference.uri[:200]!r} is in the manifest")
        value = self.lists[number][reference.index]
        if value not in set(StatusValue):
            raise StatusListInvalid(f"status {value} has no meaning here")
        return StatusValue(value)

    def _delta(self, manifest: Manifest, read: Read) -> Delta | None:
        """The delta from what is held, if there is a good one: without it the whole files are read."""
        if self.seen is None or self.seen.epoch != manifest.epoch:
            return None
        for ref in manifest.deltas:
            if ref.start == self.seen.number:
                try:
                    delta = parse_delta(_read_file(ref.file, read))
                except SnapshotInvalid:
                    return None
                return delta if (delta.start, delta.end) == (ref.start, manifest.number) else None
        return None

    def _list(self, ref: ListRef, changes: ListChanges | None, read: Read) -> StatusList:
        held = self.lists.get(ref.number)
        if held is not None and held.bits == ref.bits:
            if _is_list(held, ref):
                return held
            moved = held.copy()
            try:
                for index, value in changes.changes if changes is not None else ():
                    moved[index] = value
            except StatusListInvalid:
                pass  # the whole list is read instead
            if _is_list(moved, ref):
                return moved
        data = read(ref.path)
        if sha256_hex(data) != ref.sha256:
            raise SnapshotInvalid(f"list {ref.number} is not the file that the manifest names")
        found = StatusList.decompress(data, ref.bits, raw_bytes_max=ref.size * ref.bits // 8)
        if not _is_list(found, ref):
            raise SnapshotInvalid(f"list {ref.number} does not hold what the manifest says")
        return found

    def _move_state(
        self, manifest: Manifest, delta: Delta | None, read: Read, verifier: EventVerifier
    ) -> tuple[Change, ...]:
        state = self.state
        if state.epoch == manifest.epoch:
            if state.sequence > manifest.sequence:
                return ()
            if state.digest() == manifest.state_digest:
                state.bookmark(sequence=manifest.sequence)
                return ()
            if delta is not None:
                try:
                    changes = _apply(state, delta.events, verifier)
                    state.bookmark(sequence=manifest.sequence, digest=manifest.state_digest)
                except StateDiffers:
                    pass  # the whole state is read instead
                else:
                    return changes
        events = parse_state(_read_file(manifest.state, read))
        state.begin_full(manifest.epoch)
        changes = _apply(state, events, verifier)
        done = state.commit_full(sequence=manifest.sequence, digest=manifest.state_digest)
        return (*changes, *done.changes)


def _apply(state: FeedState, events: Iterable[PackedEvent], verifier: EventVerifier) -> tuple[Change, ...]:
    """All of them are looked at, so that no bad one hides a restriction behind it; then the first trouble is raised."""
    changes, trouble = [], None
    for packed in events:
        try:
            event = EventSet.parse(packed.data)
            held = state.get(event.subject)
            if held is None or held != entry_of(event):
                verifier.verify_event(event, packed.evidence, before=None if held is None else held.status)
            applied = state.apply(event)
        except EventsError as error:
            trouble = trouble or error
            continue
        if isinstance(applied, Applied):
            changes.append(Change(applied.subject, applied.before, applied.after))
    if trouble is not None:
        raise trouble
    return tuple(changes)


def _check_forward(found: SeenManifest, seen: SeenManifest | None) -> None:
    if seen is None or found == seen:
        return
    if (found.epoch, found.number) <= (seen.epoch, seen.number):
        raise RolledBack(f"manifest {found.number} is not later than manifest {seen.number}, and another one")


def _changes_of(delta: Delta, number: int) -> ListChanges | None:
    return next((one for one in delta.lists if one.number == number), None)


def _is_list(found: StatusList, ref: ListRef) -> bool:
    return len(found) == ref.size and sha256_hex(found.raw) == ref.raw_sha256


def _read_file(ref: FileRef, read: Read) -> bytes:
    data = read(ref.path)
    if len(data) != ref.size or sha256_hex(data) != ref.sha256:
        raise SnapshotInvalid(f"{ref.path} is not the file that the manifest names: read it past the caches")
    return data
