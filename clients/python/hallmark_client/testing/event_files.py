"""The read plane of the fake: manifest, state, deltas and status lists of the global feed, signed and logged."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from hallmark.v1 import common_pb2
from hallmark_client.testing.event_model import GLOBAL, FakeEvent
from hallmark_client.testing.events import ISSUER, FakeEvents
from hallmark_events.canonical import Json, format_time
from hallmark_events.manifest import (
    ENTRY_TYPE,
    DeltaRef,
    FileRef,
    ListRef,
    Manifest,
    encode_manifest_signature,
    sha256_hex,
)
from hallmark_events.snapshot import evidence_paths
from hallmark_events.snapshot_files import ListChanges, encode_delta, encode_state, pack_event
from hallmark_events.status_list import StatusList
from hallmark_events.trust import LogEvidence, Signature
from hallmark_events.types import MANIFEST_CONTEXT, StatusValue
from hallmark_tlog.proof import TlogProof, parse_proof

LIST_ENTRIES: Final = 1024
_BITS: Final = 2
_LIST: Final = 0
_DELTAS: Final = 3


@dataclass(frozen=True, slots=True)
class _Published:
    manifest: Manifest
    data: bytes
    statuses: StatusList


@dataclass(slots=True)
class FakeEventFiles:
    """`files`: content by path below status/{tenant}/, as last published. A copy of the dictionary is a cache."""

    events: FakeEvents
    lifetime: timedelta = timedelta(minutes=15)
    removal_seconds: tuple[int, ...] = (86_400,)
    files: dict[str, bytes] = field(default_factory=dict)
    _statuses: StatusList = field(default_factory=lambda: StatusList.of_size(LIST_ENTRIES, _BITS))
    _used: int = 0
    _earlier: list[_Published] = field(default_factory=list)

    @property
    def uri(self) -> str:
        """Of the one list."""
        return f"{ISSUER}/status/{self.events.state.tenant}/lists/{_LIST}.jwt"

    def allocate(self) -> dict[str, Json]:
        """A new index, for own["status_list"]; VALID."""
        self._used += 1
        return {"idx": self._used - 1, "uri": self.uri}

    def set_status(self, index: int, status: StatusValue) -> None:
        """From the next publication on."""
        self._statuses[index] = int(status)

    def publish(self) -> Manifest:
        """What is true now."""
        feeds, now = self.events.feeds, self.events.state.now()
        feed = feeds.feed(GLOBAL)
        self._earlier = [one for one in self._earlier if one.manifest.epoch == feeds.epoch]
        number = self._earlier[-1].manifest.number + 1 if self._earlier else 1
        lists = self._statuses.compress()
        manifest = Manifest(
            issuer=ISSUER,
            tenant=self.events.state.tenant,
            epoch=feeds.epoch,
            number=number,
            sequence=feed.sequence,
            issued_at=now,
            not_after=now + self.lifetime,
            previous=sha256_hex(self._earlier[-1].data) if self._earlier else "",
            state=self._stored(encode_state(self._packed([event for _, event in feed.after(0)]))),
            state_digest=feed.digest(),
            lists=(
                ListRef(
                    number=_LIST,
                    uri=self.uri,
                    bits=_BITS,
                    size=LIST_ENTRIES,
                    sha256=self._stored(lists).sha256,
                    raw_sha256=sha256_hex(self._statuses.raw),
                ),
            ),
            deltas=tuple(self._delta(one, number) for one in self._earlier[-_DELTAS:]),
            leases_until={seconds: now + timedelta(seconds=seconds) for seconds in self.removal_seconds},
        )
        self._sign(manifest)
        return manifest

    def _sign(self, manifest: Manifest) -> None:
        data, state = manifest.encode(), self.events.state
        signature = self.events.sign(data, MANIFEST_CONTEXT.decode())
        subject = f"{state.parent}/status"
        details = {"payload_sha256": sha256_hex(data)}
        promise = state.record(ENTRY_TYPE, subject, details, wait=common_pb2.LOG_WAIT_PUBLISHED)
        proof = parse_proof(promise.tlog_proof)
        signed = Signature(key_version=signature.key_version, signature=signature.signature)
        self.files["manifest.json"] = data
        signature_path, proof_path = evidence_paths(data)
        self.files["manifest.sig"] = self.files[signature_path] = encode_manifest_signature(signed, state.now())
        self.files["manifest.tlog-proof"] = self.files[proof_path] = bytes(
            TlogProof(index=proof.index, path=proof.path, checkpoint=proof.checkpoint, extra=promise.entry)
        )
        self._earlier.append(_Published(manifest, data, self._statuses.copy()))

    def _delta(self, earlier: _Published, number: int) -> DeltaRef:
        feed = self.events.feeds.feed(GLOBAL)
        changed = [(at, new) for at, new in enumerate(self._statuses) if earlier.statuses[at] != new]
        data = encode_delta(
            start=earlier.manifest.number,
            end=number,
            events=self._packed([event for _, event in feed.after(earlier.manifest.sequence)]),
            lists=[ListChanges(_LIST, tuple(changed))] if changed else [],
        )
        return DeltaRef(earlier.manifest.number, self._stored(data))

    def _packed(self, events: Sequence[FakeEvent]) -> list[Json]:
        packed: list[Json] = []
        for event in sorted(events, key=lambda event: event.read.subject):
            signed = event.wire.signature
            packed.append(
                pack_event(
                    event.wire.set,
                    signature=Signature(key_version=signed.key_version, signature=signed.signature),
                    sign_time=format_time(event.read.event_time),
                    context=signed.context,
                    log=LogEvidence(event.wire.log.entry, event.wire.log.tlog_proof),
                )
            )
        return packed

    def _stored(self, data: bytes) -> FileRef:
        ref = FileRef(sha256_hex(data), len(data))
        self.files[ref.path] = data
        return ref
