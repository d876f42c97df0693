"""EdgeService's messages, read strictly on both ends: neither side believes the other's bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from hallmark.v1 import common_pb2, edge_pb2
from hallmark_events.batch import BatchPath
from hallmark_events.heartbeat import NONCE_BYTES
from hallmark_events.types import HEARTBEAT_CONTEXT
from kms.core.errors import InvalidArgument, Reason
from kms.core.names import ChildName, TenantName
from kms.events.heartbeats import LEAVES, Claim, Proof, Unproved
from kms.events.model import GLOBAL
from kms.events.reading import Head
from kms.keys.model import ServiceSignature
from kms.keys.wire import service_signature_to_wire

CLAIMS_MAX: Final = 1024
"""Of one call: about 1 MiB there and back."""
LOST_MAX: Final = 64
EPOCH_BYTES: Final = 16
DIGEST_BYTES: Final = 32
HASH_BYTES: Final = 32
_INTEGER_MAX: Final = 2**53 - 1
_PAYLOAD_BYTES_MAX: Final = 4096


class AnswerInvalid(Exception):
    """What an API replica answered is not what was asked for; the text says why."""


@dataclass(frozen=True, slots=True)
class Lost:
    """`epoch`: of the history that lost events, 16 bytes; empty for a tenant whose feeds have not begun."""

    tenant: str
    epoch: bytes


def claims_to_wire(claims: Sequence[Claim], lost: Sequence[Lost] = ()) -> edge_pb2.SignHeartbeatsRequest:
    return edge_pb2.SignHeartbeatsRequest(
        leaves=map(_claim_to_wire, claims),
        lost=[edge_pb2.LostHistory(parent=f"tenants/{each.tenant}", epoch=each.epoch) for each in lost],
    )


def claims_from_wire(request: edge_pb2.SignHeartbeatsRequest) -> list[Claim]:
    """Raises InvalidArgument."""
    if len(request.leaves) > CLAIMS_MAX:
        raise InvalidArgument(Reason.BATCH_TOO_LARGE, f"at most {CLAIMS_MAX} leaves at once", field="leaves")
    return [_claim_from_wire(leaf) for leaf in request.leaves]


def lost_from_wire(request: edge_pb2.SignHeartbeatsRequest) -> list[Lost]:
    """Raises InvalidArgument."""
    if len(request.lost) > LOST_MAX:
        raise InvalidArgument(Reason.BATCH_TOO_LARGE, f"at most {LOST_MAX} histories at once", field="lost")
    for each in request.lost:
        if len(each.epoch) not in {0, EPOCH_BYTES}:
            raise _invalid("lost.epoch", f"an epoch is {EPOCH_BYTES} bytes, or empty")
    return [Lost(TenantName.parse(each.parent, "lost.parent").tenant, each.epoch) for each in request.lost]


def proofs_to_wire(proofs: Sequence[Proof | None], server_time: datetime) -> edge_pb2.SignHeartbeatsResponse:
    """None: not signed, the position is not the end."""
    response = edge_pb2.SignHeartbeatsResponse()
    response.server_time.FromDatetime(server_time)
    trees: dict[bytes, int] = {}
    for proof in proofs:
        if proof is None:
            response.proofs.add()
            continue
        if proof.payload not in trees:
            trees[proof.payload] = len(trees)
            response.payloads.append(proof.payload)
            response.signatures.append(service_signature_to_wire(proof.signature))
        response.proofs.add(
            tree=trees[proof.payload],
            leaf=proof.leaf,
            leaf_index=proof.path.leaf_index,
            tree_size=proof.path.tree_size,
            path=proof.path.path,
        )
    return response


def proofs_from_wire(response: edge_pb2.SignHeartbeatsResponse, claims: Sequence[Claim]) -> list[Proof | Unproved]:
    """In the order of the claims. Only the shape is looked at: whoever is told verifies. Raises AnswerInvalid."""
    if len(response.proofs) != len(claims) or len(response.payloads) != len(response.signatures):
        raise AnswerInvalid("there is not one proof for each leaf, or not one signature for each payload")
    if any(len(payload) > _PAYLOAD_BYTES_MAX for payload in response.payloads):
        raise AnswerInvalid("a payload is too large")
    signatures = [_signature(each) for each in response.signatures]
    server_time = _time(response.server_time.seconds, response.server_time.nanos)
    found: list[Proof | Unproved] = []
    for claim, proof in zip(claims, response.proofs, strict=True):
        if not proof.leaf:
            found.append(Unproved.MOVED)
            continue
        if proof.leaf != claim.leaf() or not 0 <= proof.tree < len(signatures):
            raise AnswerInvalid("a leaf is not the one that was asked for")
        path = _path(proof)
        found.append(Proof(response.payloads[proof.tree], signatures[proof.tree], proof.leaf, path, server_time))
    return found


def _claim_to_wire(claim: Claim) -> edge_pb2.HeartbeatLeaf:
    leaf = edge_pb2.HeartbeatLeaf(parent=f"tenants/{claim.tenant}", nonce=claim.nonce)
    for name, (epoch, head) in claim.heads.items():
        if name == GLOBAL:
            feed = GLOBAL
        else:
            assert claim.device is not None, "the feed of a device is claimed for that device"
            feed = f"devices/{claim.device.id}"
        leaf.feeds.add(feed=feed, epoch=epoch, sequence=head.sequence, state_digest=head.digest)
    return leaf


def _claim_from_wire(leaf: edge_pb2.HeartbeatLeaf) -> Claim:
    tenant = TenantName.parse(leaf.parent, "leaves.parent").tenant
    if not NONCE_BYTES[0] <= len(leaf.nonce) <= NONCE_BYTES[1]:
        raise _invalid("leaves.nonce", f"a nonce is {NONCE_BYTES[0]} to {NONCE_BYTES[1]} bytes")
    device: ChildName | None = None
    heads: dict[str, tuple[bytes, Head]] = {}
    for position in leaf.feeds:
        if position.feed == GLOBAL:
            name = GLOBAL
        else:
            name = "device"
            device = ChildName.parse(f"tenants/{tenant}/{position.feed}", "devices", "leaves.feeds.feed")
        if name in heads:
            raise _invalid("leaves.feeds", "feeds are global and one device's, each once")
        heads[name] = _head(position)
    if not heads:
        raise _invalid("leaves.feeds", "a leaf tells of one feed at least")
    return Claim(tenant, device, leaf.nonce, heads)


def _head(position: edge_pb2.HeartbeatLeaf.FeedPosition) -> tuple[bytes, Head]:
    if len(position.epoch) != EPOCH_BYTES or len(position.state_digest) != DIGEST_BYTES:
        raise _invalid("leaves.feeds", f"an epoch has {EPOCH_BYTES} bytes, a state_digest {DIGEST_BYTES}")
    if not 0 <= position.sequence <= _INTEGER_MAX:
        raise _invalid("leaves.feeds.sequence", "a sequence is 0 or more")
    return position.epoch, Head(position.sequence, position.state_digest)


def _path(proof: edge_pb2.HeartbeatProof) -> BatchPath:
    hashes = tuple(proof.path)
    if (
        proof.tree_size != LEAVES
        or not 0 <= proof.leaf_index < LEAVES
        or any(len(each) != HASH_BYTES for each in hashes)
    ):
        raise AnswerInvalid("a path is not that of a leaf in a tree of heartbeats")
    return BatchPath(proof.leaf_index, proof.tree_size, hashes)


def _signature(message: common_pb2.ServiceSignature) -> ServiceSignature:
    if message.context != HEARTBEAT_CONTEXT.decode():
        raise AnswerInvalid("the signature is of another context")
    return ServiceSignature(
        key_version=message.key_version,
        signature=message.signature,
        context=message.context,
        sign_time=_time(message.sign_time.seconds, message.sign_time.nanos),
    )


def _time(seconds: int, nanos: int) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=nanos // 1000)
    except (ValueError, OverflowError, OSError):
        raise AnswerInvalid("a time is not between the years 1 and 9999") from None


def _invalid(field: str, message: str) -> InvalidArgument:
    return InvalidArgument(Reason.FIELD_INVALID, message, field=field)
