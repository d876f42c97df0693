"""What status files weigh, found by building real ones: for the capacity model (docs/capacity.md)."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from hallmark_events.manifest import FileRef, ListRef, Manifest, sha256_hex
from hallmark_events.snapshot_files import ListChanges, encode_delta, encode_state
from hallmark_events.status_list import StatusList
from kms.core.clock import Clock
from kms.events.model import Status
from kms.status.lists import ENTRIES
from kms.status.making import differences
from kms.status.model import BITS, list_uri

FILLED: Final = 3 / 4
_BASE: Final = "https://status.example"
_TENANT: Final = "tenant"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """In bytes. `delta_of_one`: one revocation in one list; `delta_bytes`: `changed` more of all subjects."""

    devices: int
    revoked: int
    changed: int
    lists: int
    raw_bytes: int
    zlib_bytes: int
    largest_list_zlib_bytes: int
    token_payload_bytes: int
    manifest_bytes: int
    state_bytes: int
    delta_of_one_bytes: int
    delta_bytes: int


def measure(devices: int, revoked_share: float, *, changed_share: float, clock: Clock) -> Sizes:
    """Lists as `kms.status.lists` fills them: up to three quarters, at random places. The same arguments give the same
    lists. The state of the global feed is empty here: it does not grow with devices.
    """
    per_list = int(ENTRIES * FILLED)
    count = max(1, -(-devices // per_list))
    revoked, changed = round(devices * revoked_share), round(devices * changed_share)
    before = [_filled(number, _part(revoked, count, number)) for number in range(count)]
    after = [_more(each, number, _part(changed, count, number)) for number, each in enumerate(before)]
    packed = [each.compress() for each in before]
    one = before[0].copy()
    one[next(_places(b"one", 1))] = int(Status.INVALID)
    return Sizes(
        devices=devices,
        revoked=sum(_set(each) for each in before),
        changed=changed,
        lists=count,
        raw_bytes=sum(len(each.raw) for each in before),
        zlib_bytes=sum(map(len, packed)),
        largest_list_zlib_bytes=max(map(len, packed)),
        token_payload_bytes=sum(-(-len(each) * 4 // 3) for each in packed),
        manifest_bytes=len(_manifest(before, packed, clock).encode()),
        state_bytes=len(encode_state([])),
        delta_of_one_bytes=len(_delta([(before[0], one)])),
        delta_bytes=len(_delta(list(zip(before, after, strict=True)))),
    )


def _part(total: int, count: int, number: int) -> int:
    return total // count + (number < total % count)


def _filled(number: int, wanted: int) -> StatusList:
    return _more(StatusList.of_size(ENTRIES, BITS), number, wanted)


def _more(before: StatusList, number: int, wanted: int) -> StatusList:
    found, left = before.copy(), wanted
    for place in _places(f"{number} {_set(before)}".encode(), wanted * 4 + 64):
        if left == 0:
            break
        if not found[place]:
            found[place] = int(Status.INVALID)
            left -= 1
    return found


def _places(seed: bytes, count: int) -> Iterator[int]:
    """As good as random, and the same every time."""
    stream = hashlib.shake_256(seed).digest(4 * count)
    for at in range(0, len(stream), 4):
        yield int.from_bytes(stream[at : at + 4], "big") % ENTRIES


def _set(statuses: StatusList) -> int:
    """Every value here is VALID or INVALID."""
    return sum(byte.bit_count() for byte in statuses.raw)


def _delta(pairs: list[tuple[StatusList, StatusList]]) -> bytes:
    changed = [ListChanges(number, differences(old, new)) for number, (old, new) in enumerate(pairs) if old != new]
    return encode_delta(start=1, end=2, events=[], lists=changed)


def _manifest(lists: list[StatusList], packed: list[bytes], clock: Clock) -> Manifest:
    now = clock.now()
    return Manifest(
        issuer="spiffe://hallmark.example/server",
        tenant=_TENANT,
        epoch=bytes(16),
        number=1,
        sequence=0,
        issued_at=now,
        not_after=now + timedelta(minutes=15),
        previous="",
        state=FileRef(sha256_hex(b""), 0),
        state_digest=bytes(32),
        lists=tuple(
            ListRef(
                number=number,
                uri=list_uri(_BASE, _TENANT, number),
                bits=BITS,
                size=len(each),
                sha256=sha256_hex(data),
                raw_sha256=sha256_hex(each.raw),
            )
            for number, (each, data) in enumerate(zip(lists, packed, strict=True))
        ),
    )
