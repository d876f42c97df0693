"""The way from an edge to one API replica: gRPC with mutual TLS, and the edge's own certificate."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import grpc
import grpc.aio

from hallmark.v1 import edge_pb2
from kms.edge.remote import ReplicaAway
from kms.edge.wire import Lost, claims_to_wire, proofs_from_wire
from kms.events.heartbeats import Claim, Proof, Unproved

_METHOD: Final = "/hallmark.v1.EdgeService/SignHeartbeats"
_OPTIONS: Final = (
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.enable_retries", 0),  # ours ask another replica
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2_000),
)


@dataclass(frozen=True, slots=True)
class EdgeIdentity:
    """PEM. The same certificate calls the API and serves clients. `authority`: of the API's certificate."""

    private_key: bytes
    certificate: bytes
    authority: bytes

    @classmethod
    def load(cls, folder: Path, api_authority: Path | None = None) -> "EdgeIdentity":
        """`api_authority`: where it is another one than that of the profile. Raises OSError."""
        files = folder / "key.pem", folder / "cert.pem", api_authority or folder / "ca.pem"
        return cls(*(file.read_bytes() for file in files))

    def __repr__(self) -> str:
        return "EdgeIdentity(...)"


class GrpcReplica:
    """A kms.edge.remote.SigningReplica. Made inside the event loop; connects by itself, again and again."""

    def __init__(self, address: str, identity: EdgeIdentity, *, timeout_seconds: float) -> None:
        credentials = grpc.ssl_channel_credentials(identity.authority, identity.private_key, identity.certificate)
        self._address = address
        self._timeout_seconds = timeout_seconds
        self._channel = grpc.aio.secure_channel(address, credentials, options=_OPTIONS)
        self._call = self._channel.unary_unary(
            _METHOD,
            request_serializer=edge_pb2.SignHeartbeatsRequest.SerializeToString,
            response_deserializer=edge_pb2.SignHeartbeatsResponse.FromString,
        )

    async def sign(self, claims: Sequence[Claim], lost: Sequence[Lost]) -> list[Proof | Unproved]:
        """Raises ReplicaAway, AnswerInvalid."""
        try:
            response = await self._call(claims_to_wire(claims, lost), timeout=self._timeout_seconds)
        except grpc.aio.AioRpcError as error:
            raise ReplicaAway(f"{self._address}: {error.code().name}: {error.details()}") from error
        return proofs_from_wire(response, claims)

    async def close(self) -> None:
        await self._channel.close()
