"""Heartbeats: what the server holds for a caller now, signed over the caller's nonce.

One signature serves many callers. The payload is canonical JSON
    {"iss", "root": base64 of 32 bytes, "server_time", "size": leaves, "type": "heartbeat"}
and each caller's leaf under its root (RFC 9162) is canonical JSON
    {"feeds": {"device": {"epoch": hex of 16 bytes, "sequence", "state_digest": hex of 32 bytes}, "global": {...}},
     "nonce": base64 of 16 to 64 bytes, "parent": "tenants/{tenant}"}
with the feeds that the caller watches.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from hallmark_events.batch import BatchPath, verify_batch
from hallmark_events.canonical import (
    INTEGER_MAX,
    Json,
    canonical_json,
    encode_base64,
    format_time,
    parse_base64,
    parse_canonical,
    parse_hex,
    parse_time,
)
from hallmark_events.errors import EventInvalid, ProofInvalid, Stale
from hallmark_events.trust import Signature, TrustedKeys, check_signature
from hallmark_events.types import HEARTBEAT_CONTEXT

HEARTBEAT_BYTES_MAX: Final = 4_096
"""Of the payload, and of a leaf."""
FEEDS: Final = ("device", "global")
NONCE_BYTES: Final = (16, 64)

_PAYLOAD = {"iss", "root", "server_time", "size", "type"}
_LEAF = {"feeds", "nonce", "parent"}
_FEED = {"epoch", "sequence", "state_digest"}


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedHead:
    """Where a feed is now. epoch: 16 bytes. state_digest: 32 bytes, see `state.FeedState.digest`."""

    epoch: bytes
    sequence: int
    state_digest: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class HeartbeatEvidence:
    """What comes over the wire: WatchEventsResponse.Heartbeat."""

    payload: bytes
    signature: Signature
    leaf: bytes
    path: BatchPath


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedHeartbeat:
    """Proved: the service said this after the nonce was made. `feeds` by "device" and "global"."""

    issuer: str
    server_time: datetime
    feeds: Mapping[str, FeedHead]
    key_version: str


def encode_payload(*, issuer: str, root: bytes, size: int, server_time: datetime) -> bytes:
    """What is signed for all leaves below `root`, with the context hallmark/heartbeat-batch/v1."""
    return canonical_json(
        {
            "iss": issuer,
            "root": encode_base64(root),
            "server_time": format_time(server_time),
            "size": size,
            "type": "heartbeat",
        }
    )


def encode_leaf(*, parent: str, nonce: bytes, feeds: Mapping[str, FeedHead]) -> bytes:
    """One caller's."""
    heads: dict[str, Json] = {
        name: {"epoch": head.epoch.hex(), "sequence": head.sequence, "state_digest": head.state_digest.hex()}
        for name, head in feeds.items()
    }
    return canonical_json({"feeds": heads, "nonce": encode_base64(nonce), "parent": parent})


def verify_heartbeat(
    evidence: HeartbeatEvidence, trusted_keys: TrustedKeys, *, nonce: bytes, parent: str
) -> VerifiedHeartbeat:
    """1. signed by a trusted key  2. the leaf is under the signed root  3. made for our nonce and tenant.

    Raises KeyUnknown, SignatureInvalid, EventInvalid, ProofInvalid, Stale (another nonce: a replay).
    """
    check_signature(evidence.payload, evidence.signature, trusted_keys, context=HEARTBEAT_CONTEXT)
    payload = _object(evidence.payload, _PAYLOAD, "the payload of a heartbeat")
    root = parse_base64(payload["root"], what="the root of a heartbeat", refuse=EventInvalid)
    if payload["type"] != "heartbeat" or not isinstance(payload["iss"], str):
        raise EventInvalid("the payload is not that of a heartbeat")
    if _count(payload["size"]) != evidence.path.tree_size:
        raise ProofInvalid("the path of the heartbeat is of another tree than the signed one")
    verify_batch(evidence.leaf, evidence.path, root)
    leaf = _object(evidence.leaf, _LEAF, "the leaf of a heartbeat")
    found = parse_base64(leaf["nonce"], what="the nonce of a heartbeat", refuse=EventInvalid)
    if not hmac.compare_digest(found, nonce) or leaf["parent"] != parent:
        raise Stale("the heartbeat was made for another caller or question: a replay, or an answer that came late")
    return VerifiedHeartbeat(
        issuer=payload["iss"],
        server_time=parse_time(payload["server_time"], what="server_time", refuse=EventInvalid),
        feeds=_feeds(leaf["feeds"]),
        key_version=evidence.signature.key_version,
    )


def _feeds(value: object) -> dict[str, FeedHead]:
    if not isinstance(value, dict) or not set(value) <= set(FEEDS):
        raise EventInvalid(f"feeds of a heartbeat are {' and '.join(FEEDS)}")
    return {name: _head(head) for name, head in value.items()}


def _head(value: object) -> FeedHead:
    if not isinstance(value, dict) or value.keys() != _FEED:
        raise EventInvalid("a feed of a heartbeat has epoch, sequence and state_digest")
    return FeedHead(
        epoch=parse_hex(value["epoch"], 16, what="an epoch", refuse=EventInvalid),
        sequence=_count(value["sequence"]),
        state_digest=parse_hex(value["state_digest"], 32, what="a state digest", refuse=EventInvalid),
    )


def _object(data: bytes, members: set[str], what: str) -> dict[str, Any]:
    found = parse_canonical(data, what=what, max_bytes=HEARTBEAT_BYTES_MAX, refuse=EventInvalid)
    if found.keys() != members:
        raise EventInvalid(f"{what} has the members {', '.join(sorted(members))}")
    return found


def _count(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= INTEGER_MAX:
        raise EventInvalid("a count of a heartbeat is an integer, 0 or more")
    return value
