"""Heartbeats, signed for many callers at once: one signature over the root of a Merkle tree of their leaves.

Every tree has the same number of leaves, what callers do not fill is random, and places are drawn by lot: what a caller
is shown tells it nothing about others, not even how many there are.
"""

import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Protocol

from hallmark.v1 import events_pb2
from hallmark_events.batch import BatchPath, BatchTree
from hallmark_events.heartbeat import FeedHead, encode_leaf, encode_payload
from hallmark_events.types import HEARTBEAT_CONTEXT
from kms.core.errors import ServiceError
from kms.core.names import ChildName
from kms.core.randomness import Randomness
from kms.events.model import SIGNING_KEY_ID
from kms.events.reading import Head
from kms.keys.model import ServiceSignature
from kms.keys.signing import SigningService
from kms.keys.wire import service_signature_to_wire

_logger = logging.getLogger(__name__)
_Heartbeat = events_pb2.WatchEventsResponse.Heartbeat
_LENGTH_DELIMITED: Final = 2
_TAG: Final = bytes([events_pb2.WatchEventsResponse.HEARTBEAT_FIELD_NUMBER << 3 | _LENGTH_DELIMITED])
LEAVES: Final = 256
"""Of each tree: a path of 8 hashes."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What one subscriber is to be told. `nonce`: 16 to 64 bytes, its own; `device`: who it is, where its feed is
    among the heads; `heads`: (epoch, end) by "device" and "global".
    """

    tenant: str
    device: ChildName | None
    nonce: bytes
    heads: Mapping[str, tuple[bytes, Head]]

    def leaf(self) -> bytes:
        """As devices read it (hallmark_events.heartbeat)."""
        feeds = {
            name: FeedHead(epoch=epoch, sequence=head.sequence, state_digest=head.digest)
            for name, (epoch, head) in self.heads.items()
        }
        return encode_leaf(parent=f"tenants/{self.tenant}", nonce=self.nonce, feeds=feeds)


@dataclass(frozen=True, slots=True)
class Proof:
    """That the service has signed `leaf`, under the root in `payload`, at `server_time`."""

    payload: bytes
    signature: ServiceSignature
    leaf: bytes
    path: BatchPath
    server_time: datetime


class Unproved(StrEnum):
    """Why there is no proof."""

    AWAY = "away"
    """Nobody can sign now. Callers that get no heartbeat notice by themselves."""
    MOVED = "moved"
    """The feed ends elsewhere already: what was claimed is not the newest. Look again."""


class Prover(Protocol):
    """Who proves heartbeats: this process with the HSM, or a replica that has one (kms.edge.remote)."""

    async def prove(self, claims: Sequence[Claim], now: datetime) -> list[Proof | Unproved]:
        """In the order of the claims. Never raises for what is away: a heartbeat without proof would be a lie, and
        streams go on without one.
        """


class HeartbeatFrames:
    """WatchEventsResponse messages, serialised, of one moment.

    What a tree's heartbeats have in common, 3.7 KiB of 4.3, is serialised once. Fields of a message may stand in any
    order (Protocol Buffers, Encoding: "Message Structure"), so it goes before what is each caller's own.
    """

    def __init__(self, server_time: datetime) -> None:
        self._server_time = server_time
        self._common: dict[bytes, bytes] = {}

    def frame(self, next_in: timedelta, proof: Proof | None) -> bytes:
        """Without a proof, for callers without a nonce, it proves nothing."""
        own = _Heartbeat(next_in=next_in)
        if proof is not None:
            own.leaf = proof.leaf
            own.path.leaf_index, own.path.tree_size = proof.path.leaf_index, proof.path.tree_size
            own.path.path.extend(proof.path.path)
        common, rest = self._common_of(proof), own.SerializeToString()
        return b"".join((_TAG, _varint(len(common) + len(rest)), common, rest))

    def _common_of(self, proof: Proof | None) -> bytes:
        payload = b"" if proof is None else proof.payload
        common = self._common.get(payload)
        if common is None:
            server_time = self._server_time if proof is None else proof.server_time
            beat = _Heartbeat(server_time=server_time, payload=payload)
            if proof is not None:
                beat.signature.CopyFrom(service_signature_to_wire(proof.signature))
            common = self._common[payload] = beat.SerializeToString()
        return common


def _varint(value: int) -> bytes:
    """Protocol Buffers, Encoding: "Base 128 Varints"."""
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


@dataclass(slots=True)
class HeartbeatSigner:
    """A Prover with the HSM. One for the process."""

    signing: SigningService
    randomness: Randomness
    issuer: str
    _told: bool = field(default=False)

    async def prove(self, claims: Sequence[Claim], now: datetime) -> list[Proof | Unproved]:
        """None at all while the HSM is away."""
        proofs: list[Proof | Unproved] = []
        try:
            for begin in range(0, len(claims), LEAVES):
                proofs += await self._prove_tree([claim.leaf() for claim in claims[begin : begin + LEAVES]], now)
        except ServiceError as error:
            if not self._told:
                _logger.warning("heartbeats can not be signed, streams go on without them: %s", error)
            self._told = True
            return [Unproved.AWAY] * len(claims)
        self._told = False
        return proofs

    async def _prove_tree(self, leaves: Sequence[bytes], now: datetime) -> list[Proof]:
        lots = random.Random(self.randomness.bytes(16)).sample(range(LEAVES), len(leaves))  # noqa: S311 - the seed is
        filling = self.randomness.bytes(32 * LEAVES)
        payloads = [filling[at : at + 32] for at in range(0, len(filling), 32)]
        for place, leaf in zip(lots, leaves, strict=True):
            payloads[place] = leaf
        tree = BatchTree(payloads)
        payload = encode_payload(issuer=self.issuer, root=tree.root, size=LEAVES, server_time=now)
        signature = await self.signing.sign_as_service(SIGNING_KEY_ID, payload, HEARTBEAT_CONTEXT.decode(), now)
        return [
            Proof(payload, signature, leaf, tree.path(place), now) for place, leaf in zip(lots, leaves, strict=True)
        ]
