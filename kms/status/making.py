"""A snapshot's files from its contents: pure functions; the same contents give the same bytes.

File by file: the state of the global feed, each list in zlib, a delta from each earlier manifest that is kept, and the
manifest that names them all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from hallmark_events.manifest import DeltaRef, FileRef, ListRef, Manifest, sha256_hex
from hallmark_events.snapshot_files import ListChanges, encode_delta, encode_state
from hallmark_events.status_list import StatusList
from kms.status.contents import Contents
from kms.status.model import BITS, list_uri

_BLOCK: Final = 4096
_PER_BYTE: Final = 8 // BITS
_MASK: Final = (1 << BITS) - 1


@dataclass(frozen=True, slots=True)
class Earlier:
    """A manifest that a delta may lead from, and those of its lists that could be read again, by number."""

    manifest: Manifest
    data: bytes
    lists: Mapping[int, StatusList]


@dataclass(frozen=True, slots=True, kw_only=True)
class Making:
    """Of one snapshot. `base`: where its files are read. `removal_seconds`: the removal times that consents promise."""

    issuer: str
    base: str
    tenant: str
    number: int
    issued_at: datetime
    lifetime: timedelta
    removal_seconds: Iterable[int] = ()

    def lease_end(self, removal_seconds: int) -> datetime:
        """Until when this snapshot prolongs leases under that promise. Whoever reads it from a cache may read it as
        late as its end, and knows no later time than that of its making: so the promise less its lifetime, or less
        a quarter where it promises less than four lifetimes.
        """
        promised = timedelta(seconds=removal_seconds)
        return self.issued_at + promised - min(self.lifetime, promised / 4)


@dataclass(frozen=True, slots=True)
class Made:
    """`files`: content by its SHA-256 in hex, the manifest not among them."""

    manifest: bytes
    files: Mapping[str, bytes]


def make_snapshot(making: Making, contents: Contents, earlier: Sequence[Earlier]) -> Made:
    """`earlier`: newest first. Raises SnapshotInvalid when there is more than a manifest can name."""
    files: dict[str, bytes] = {}

    def stored(data: bytes) -> FileRef:
        digest = sha256_hex(data)
        files[digest] = data
        return FileRef(digest, len(data))

    epoch = contents.position.epoch
    deltas = [
        DeltaRef(each.manifest.number, stored(_delta(each, contents, making.number)))
        for each in earlier
        if each.manifest.epoch == epoch
    ]
    manifest = Manifest(
        issuer=making.issuer,
        tenant=making.tenant,
        epoch=epoch,
        number=making.number,
        sequence=contents.position.sequence,
        issued_at=making.issued_at,
        not_after=making.issued_at + making.lifetime,
        previous=sha256_hex(earlier[0].data) if earlier else "",
        state=stored(encode_state(contents.packed())),
        state_digest=contents.digest,
        lists=tuple(_list_ref(making, number, each, stored) for number, each in sorted(contents.lists.items())),
        deltas=tuple(sorted(deltas, key=lambda delta: delta.start)),
        leases_until={seconds: making.lease_end(seconds) for seconds in sorted(making.removal_seconds)},
    )
    return Made(manifest.encode(), files)


def _list_ref(making: Making, number: int, statuses: StatusList, stored: Callable[[bytes], FileRef]) -> ListRef:
    return ListRef(
        number=number,
        uri=list_uri(making.base, making.tenant, number),
        bits=statuses.bits,
        size=len(statuses),
        sha256=stored(statuses.compress()).sha256,
        raw_sha256=sha256_hex(statuses.raw),
    )


def named_files(manifest: Manifest) -> set[str]:
    """SHA-256 of every file that the manifest names."""
    return {
        manifest.state.sha256,
        *(each.sha256 for each in manifest.lists),
        *(each.file.sha256 for each in manifest.deltas),
    }


def differences(before: StatusList, after: StatusList) -> tuple[tuple[int, int], ...]:
    """(index, new value) of the entries that differ, for lists of BITS and of one size."""
    old, new = before.raw, after.raw
    found: list[tuple[int, int]] = []
    for start in range(0, len(new), _BLOCK):
        if old[start : start + _BLOCK] != new[start : start + _BLOCK]:
            for at in range(start, min(start + _BLOCK, len(new))):
                if old[at] != new[at]:
                    found += _in_byte(at, old[at], new[at])
    return tuple(found)


def _in_byte(at: int, old: int, new: int) -> list[tuple[int, int]]:
    values = ((place, new >> place * BITS & _MASK, old >> place * BITS & _MASK) for place in range(_PER_BYTE))
    return [(at * _PER_BYTE + place, value) for place, value, before in values if value != before]


def _delta(earlier: Earlier, contents: Contents, number: int) -> bytes:
    changed = [
        ListChanges(which, differences(earlier.lists[which], statuses))
        for which, statuses in sorted(contents.lists.items())
        if which in earlier.lists and earlier.lists[which] != statuses
    ]
    return encode_delta(
        start=earlier.manifest.number,
        end=number,
        events=contents.packed(after=earlier.manifest.sequence),
        lists=changed,
    )
