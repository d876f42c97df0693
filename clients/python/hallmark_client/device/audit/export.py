"""An audit chain as JSON lines, for whoever wants to verify it without the vault: docs/device-audit.md has the recipe.

The first line is canonical JSON {"anchors":[..],"format":"hallmark-device-audit/v1","start":{"head","size"}}; each
further line is an entry as it was written. `anchors` holds that of the start, for a chain that was pruned, and the
latest: {"entry":"<base64>","head":"<hex>","proof":"<base64>","size":..}.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

from hallmark_client.device.audit.chain import AuditChain
from hallmark_client.device.audit.errors import AuditBroken
from hallmark_client.device.audit.following import Anchor, follow
from hallmark_client.device.audit.record import HASH_SIZE, LINE_BYTES_MAX, NO_ENTRIES, AuditHead, entry_hash
from hallmark_client.model.result import Result
from hallmark_events.canonical import Json, canonical_json, encode_base64, parse_base64, parse_canonical, parse_hex
from hallmark_events.trust import LogEvidence, LogTrust

FORMAT: Final = "hallmark-device-audit/v1"
HEADER_BYTES_MAX: Final = 2 << 20
ANCHORS_MAX: Final = 2

_ANCHOR_MEMBERS: Final = {"entry", "head", "proof", "size"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedExport(Result):
    """Proved: nobody changed an entry from `start` to `head` after the fact, as far as `head` or an anchor is known
    from elsewhere. anchored: the last head that the export says is in the log. proved: the log's proof was checked.
    """

    start: AuditHead
    head: AuditHead
    anchored: AuditHead | None
    proved: bool


def export(chain: AuditChain) -> Iterator[bytes]:
    """Lines with their ends. Read in pages: whoever writes meanwhile adds to it."""
    start, anchors = chain.start(), chain.anchors()
    shown = [anchor for anchor in anchors if anchor.at == start or anchor == anchors[-1]]
    header: dict[str, Json] = {"anchors": [_anchor_to_json(anchor) for anchor in shown], "format": FORMAT}
    yield canonical_json({**header, "start": _head_to_json(start)}) + b"\n"
    for line in chain.lines(start.size):
        yield line + b"\n"


def verify_export(file: BinaryIO, *, heads: Collection[bytes] = (), log: LogTrust | None = None) -> VerifiedExport:
    """Follows the chain in `file` from its start to its end. heads: 32 bytes each, known from elsewhere (a receipt, an
    earlier look, the log); the chain must lead through every one. log: the anchors' proofs are checked, and there must
    be one. Raises AuditBroken, and OSError of the file.
    """
    start, anchors = _read_header(file)
    if log is not None:
        if not anchors:
            raise AuditBroken(0, "no anchor in it: nothing of it is proved to be in the log")
        for anchor in anchors:
            anchor.check(log)
    wanted = set(heads) - {start.head}
    reached = follow(start, _watched(file, start.size, wanted), through=[anchor.at for anchor in anchors])
    if wanted:
        raise AuditBroken(0, f"the chain does not lead through {min(wanted).hex()}")
    anchored = anchors[-1].at if anchors else None
    return VerifiedExport(start=start, head=reached, anchored=anchored, proved=log is not None)


def _watched(file: BinaryIO, size: int, wanted: set[bytes]) -> Iterator[bytes]:
    """The entries that follow, without their ends; those whose hash is wanted are wanted no more."""
    while line := file.readline(LINE_BYTES_MAX + 2):
        size += 1
        if not line.endswith(b"\n"):
            raise AuditBroken(size, f"entry {size} is cut off, or too long")
        wanted.discard(entry_hash(line[:-1]))
        yield line[:-1]


def _read_header(file: BinaryIO) -> tuple[AuditHead, list[Anchor]]:
    line = file.readline(HEADER_BYTES_MAX + 1)
    found = parse_canonical(line.removesuffix(b"\n"), what="the header", max_bytes=HEADER_BYTES_MAX, refuse=_refuse)
    match found:
        case {"anchors": list(anchors), "format": str(written), "start": dict(start)} if len(found) == 3:
            pass
        case _:
            raise _refuse("the header is not that of an audit chain")
    if written != FORMAT or len(anchors) > ANCHORS_MAX or not line.endswith(b"\n"):
        raise _refuse(f"not an audit chain of format {FORMAT}")
    if start.keys() != {"head", "size"}:
        raise _refuse("a start is a head and a size")
    begin, read = _head(start), [_anchor_from_json(anchor) for anchor in anchors]
    sizes = [anchor.at.size for anchor in read]
    if sizes != sorted(set(sizes)) or (begin != NO_ENTRIES and begin not in [anchor.at for anchor in read]):
        raise _refuse("what stands before the start is in no anchor, or the anchors are not in order")
    return begin, read


def _head_to_json(head: AuditHead) -> dict[str, Json]:
    return {"head": head.head.hex(), "size": head.size}


def _anchor_to_json(anchor: Anchor) -> dict[str, Json]:
    evidence = anchor.evidence
    proof = {"entry": encode_base64(evidence.entry), "proof": encode_base64(evidence.tlog_proof)}
    return {**_head_to_json(anchor.at), **proof}


def _anchor_from_json(value: object) -> Anchor:
    if not isinstance(value, dict) or value.keys() != _ANCHOR_MEMBERS:
        raise _refuse(f"an anchor has {', '.join(sorted(_ANCHOR_MEMBERS))}")
    entry = parse_base64(value["entry"], what="entry of an anchor", refuse=_refuse)
    proof = parse_base64(value["proof"], what="proof of an anchor", refuse=_refuse)
    return Anchor(at=_head(value), evidence=LogEvidence(entry, proof))


def _head(value: dict[str, Any]) -> AuditHead:
    size = value["size"]
    if type(size) is not int or size < 0:
        raise _refuse("a size is a number of entries")
    return AuditHead(size=size, head=parse_hex(value["head"], HASH_SIZE, what="head", refuse=_refuse))


def _refuse(why: str) -> AuditBroken:
    return AuditBroken(0, why)
