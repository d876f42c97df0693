"""Makes snapshots and publishes them: one history, whichever replica makes the next piece of it.

Step by step, for one tenant; killed after any of them, the next round, of whichever replica, goes on:
1. what is told is read in one transaction, and files are made of it      nothing is stored
2. the files are added under the SHA-256 of their content                 nobody reads them yet
3. the manifest is signed; its row, its log entry and the end of "changed" commit together: the next number, by
   compare-and-set, so a second replica that made it too has made nothing
4. the log publishes the entry; its proof is chosen in the row            no manifest is ever shown without its proof
5. the manifest, its signature and its proof are added at sets/{SHA-256 of the manifest}, .sig and .tlog-proof
6. tokens, then manifest.tlog-proof, manifest.sig and, last, manifest.json are replaced
7. the row is marked; what no kept manifest names is removed a while later

A reader that goes from manifest.json to sets/ finds at every moment a manifest with its own signature and proof.
"""

import hashlib
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.engine import Connection

from hallmark_events.errors import EventsError, SnapshotInvalid
from hallmark_events.manifest import Manifest, encode_manifest_signature, sha256_hex
from hallmark_events.status_list import StatusList
from hallmark_events.trust import Signature
from hallmark_tlog.proof import TlogProof, parse_proof
from kms.core.canonical import Json
from kms.events import store as feeds
from kms.events.appending import Events
from kms.events.model import SIGNING_KEY_ID
from kms.events.releasing import Satisfies
from kms.events.replacing import RestartReason, restart_in
from kms.log.model import LogEntry, LogPromise
from kms.public.files import PublicFile, PublicFiles
from kms.status import lists, store
from kms.status.contents import Contents, read_contents
from kms.status.making import Earlier, Making, make_snapshot
from kms.status.model import MANIFEST_CONTEXT, Pace, Snapshot, folder, set_path
from kms.status.place import StatusPlace
from kms.status.shown import ShownManifests
from kms.status.tidying import Tidying
from kms.status.tokens import TokenSigner, TokenTimes, token_time

_logger = logging.getLogger(__name__)
_PROOF_SECONDS: Final = 8.0

RemovalTimes = Callable[[Connection, str], Collection[int]]
"""The removal times (seconds) that a tenant's consents promise: for each, the manifest says until when leases hold."""


@dataclass(slots=True, kw_only=True)
class SnapshotPublisher:
    """`satisfies`: whether a proof has the witnesses that readers ask for. `entries`: of each list."""

    events: Events
    files: PublicFiles
    place: StatusPlace
    tokens: TokenSigner
    pace: Pace
    satisfies: Satisfies
    removal_times: RemovalTimes
    entries: int = lists.ENTRIES
    tidying: Tidying = field(default_factory=Tidying)

    async def make(self, tenant: str, now: datetime) -> Snapshot | None:
        """Steps 1 to 3: the tenant's next snapshot, when its last one is published. None when another replica made it.

        Raises ServiceError, PublicFilesError, SnapshotInvalid.
        """
        base, shown = await self.place.base(), await self._shown.find(tenant)
        await self._begin_anew_if_behind(tenant, shown, now)
        database = self.events.database
        contents, kept, removals = await database.read(
            lambda tx: (
                read_contents(tx, tenant, entries=self.entries),
                store.kept(tx, tenant),
                self.removal_times(tx, tenant),
            )
        )
        if contents is None or (kept and not kept[0].published):
            return None
        earlier = [await self._earlier(each, contents) for each in kept]
        numbers = [0, *(each.number for each in kept[:1]), *([] if shown is None else [shown.number])]
        making = Making(
            issuer=self.events.issuer,
            base=base,
            tenant=tenant,
            number=1 + max(numbers),
            issued_at=now,
            lifetime=self.pace.lifetime,
            removal_seconds=removals,
        )
        made = make_snapshot(making, contents, earlier)
        await self.files.add([PublicFile(set_path(tenant, name), data) for name, data in made.files.items()])
        return await self._commit(making, made.manifest, contents, now)

    async def publish(self, made: Snapshot, now: datetime) -> bool:
        """Steps 4 to 7. False when the log has no sufficient proof yet. Raises ServiceError, PublicFilesError."""
        proof = made.tlog_proof or await self._proof(made)
        if proof is None:
            return False
        shown, manifest = await self._shown.find(made.tenant), Manifest.parse(made.manifest)
        if shown is None or (shown.epoch, shown.number) <= (made.epoch, made.number):
            foreign = None if shown is not None else await self.files.read(f"{folder(made.tenant)}manifest.json")
            await self._write(made, manifest, proof, foreign)
        await self.events.database.write(lambda tx: store.mark_published(tx, made))
        kept = await self.events.database.read(lambda tx: store.kept(tx, made.tenant))
        await self.tidying.tidy(self.files, made.tenant, kept, now)
        return True

    async def _commit(self, making: Making, manifest: bytes, contents: Contents, now: datetime) -> Snapshot | None:
        signature = await self.events.signing.sign_as_service(SIGNING_KEY_ID, manifest, MANIFEST_CONTEXT, now)
        details: dict[str, Json] = {
            "number": making.number,
            "payload_sha256": hashlib.sha256(manifest).hexdigest(),
            "signed_by": signature.key_version,
        }
        tenant, subject = making.tenant, f"tenants/{making.tenant}/status"
        entry = LogEntry(self.events.new_id(now), "status.published", tenant, subject, now, details)

        def work(tx: Connection) -> Snapshot | None:
            before = store.newest(tx, tenant)
            if before is not None and before.number >= making.number:
                return None
            made = Snapshot(
                tenant=tenant,
                number=making.number,
                epoch=contents.position.epoch,
                sequence=contents.position.sequence,
                issued_at=making.issued_at,
                not_after=making.issued_at + making.lifetime,
                manifest=manifest,
                signature=signature,
                promise=self.events.log.record(tx, entry),
            )
            if not store.insert(tx, made):
                raise _MadeByAnother
            lists.forget_changes(tx, contents.changes)
            return made

        try:
            made = await self.events.database.write(work)
        except _MadeByAnother:
            return None
        if made is not None:
            await self.events.log.confirm(made.promise, published=False)
        return made

    async def _proof(self, made: Snapshot) -> bytes | None:
        """A tlog-proof file that holds its entry too; the same for every replica."""
        promise: LogPromise = await self.events.log.confirm(
            made.promise, published=True, timeout_seconds=_PROOF_SECONDS
        )
        if promise.tlog_proof is None or not self.satisfies(promise):
            return None
        found = parse_proof(promise.tlog_proof)
        proof = bytes(TlogProof(found.index, found.path, found.checkpoint, extra=promise.entry))
        return await self.events.database.write(lambda tx: store.choose_proof(tx, made, proof))

    async def _write(self, made: Snapshot, manifest: Manifest, proof: bytes, foreign: bytes | None) -> None:
        """`foreign`: what stands in manifest.json and is not ours."""
        signed = made.signature
        signature = encode_manifest_signature(
            Signature(key_version=signed.key_version, signature=signed.signature), signed.sign_time
        )
        digest, tenant, here = sha256_hex(made.manifest), made.tenant, folder(made.tenant)
        await self.files.add(
            [
                PublicFile(set_path(tenant, digest), made.manifest),
                PublicFile(set_path(tenant, f"{digest}.sig"), signature),
                PublicFile(set_path(tenant, f"{digest}.tlog-proof"), proof),
            ]
        )
        statuses = {each.number: await self._list(tenant, each.sha256, each.bits) for each in manifest.lists}
        times = TokenTimes(
            issued_at=made.issued_at,
            expires_at=made.not_after,
            ttl_seconds=max(1, int(self.pace.interval.total_seconds())),
        )
        present = {number: each for number, each in statuses.items() if each is not None}
        for file in await self.tokens.files(await self.place.base(), tenant, present, times):
            newer = _newer_token(file.path, int(times.issued_at.timestamp()))
            await self.files.replace(file, unless=newer)
        await self.files.replace(PublicFile(f"{here}manifest.tlog-proof", proof))
        await self.files.replace(PublicFile(f"{here}manifest.sig", signature))
        newer = _newer_manifest(made, foreign)
        await self.files.replace(PublicFile(f"{here}manifest.json", made.manifest), unless=newer)

    @property
    def _shown(self) -> ShownManifests:
        return ShownManifests(self.events, self.files)

    async def _begin_anew_if_behind(self, tenant: str, shown: Manifest | None, now: datetime) -> None:
        """A manifest that is shown and that the database does not know: an older backup was restored. Everybody has to
        begin anew, or would hold events that this history does not have.
        """
        if shown is None:
            return

        def work(tx: Connection) -> None:
            epoch, newest = feeds.lock_feeds(tx, tenant, self.events.fresh_epoch(now)), store.newest(tx, tenant)
            known = 0 if newest is None or newest.epoch != shown.epoch else newest.number
            if shown.epoch < epoch or (shown.epoch == epoch and shown.number <= known):
                return
            later = int.from_bytes(shown.epoch, "big") + 1
            fresh = max(self.events.fresh_epoch(now), later.to_bytes(len(shown.epoch), "big"))
            _logger.warning("status files of %s are newer than the database: its feeds begin a new history", tenant)
            restart_in(tx, self.events, tenant, fresh, reason=RestartReason.STATUS_FILES_NEWER, now=now)

        await self.events.database.write(work)

    async def _earlier(self, made: Snapshot, contents: Contents) -> Earlier:
        """With the lists that changed since, as far as their files are still there."""
        manifest, found = Manifest.parse(made.manifest), dict[int, StatusList]()
        if made.epoch != contents.position.epoch:
            return Earlier(manifest, made.manifest, found)
        for ref in manifest.lists:
            current = contents.lists.get(ref.number)
            if current is None or sha256_hex(current.raw) == ref.raw_sha256:
                continue
            before = await self._list(made.tenant, ref.sha256, ref.bits)
            if before is not None and len(before) == len(current):
                found[ref.number] = before
        return Earlier(manifest, made.manifest, found)

    async def _list(self, tenant: str, digest: str, bits: int) -> StatusList | None:
        """From its file, which is checked."""
        data = await self.files.read(set_path(tenant, digest))
        if data is None or sha256_hex(data) != digest:
            return None
        return StatusList.decompress(data, bits)


class _MadeByAnother(Exception):
    """Another replica committed the same number at this moment."""


def _newer_token(path: str, seconds: int) -> Callable[[bytes], bool]:
    """Of a slow replica; lists.json and jwks.json have no time and are replaced."""
    return lambda there: path.endswith((".jwt", ".cwt")) and token_time(path, there) > seconds


def _newer_manifest(made: Snapshot, foreign: bytes | None) -> Callable[[bytes], bool]:
    def unless(there: bytes) -> bool:
        if there == foreign:
            return False
        shown = _parsed(there)
        return shown is not None and (shown.epoch, shown.number) > (made.epoch, made.number)

    return unless


def _parsed(data: bytes | None) -> Manifest | None:
    try:
        return None if data is None else Manifest.parse(data)
    except (SnapshotInvalid, EventsError):
        return None


def age(made: Snapshot, now: datetime) -> timedelta:
    """A clock that was set back makes a snapshot old: it must not stay the newest until the clock is there again."""
    return abs(now - made.issued_at)
