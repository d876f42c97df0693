"""The wire calls as a table: path, request and response type of every RPC this client makes."""

from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from google.protobuf.message import Message

from hallmark.v1 import devices_pb2 as devices
from hallmark.v1 import keys_pb2 as keys
from hallmark.v1 import log_pb2 as log
from hallmark.v1 import revocation_pb2 as revocation

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True, slots=True)
class Rpc(Generic[Request, Response]):
    """path: as on the wire, /package.Service/Method."""

    path: str
    request: type[Request]
    response: type[Response]
    streaming: bool = False

    @property
    def name(self) -> str:
        """The method alone, such as "Sign"."""
        return self.path.rpartition("/")[2]


_KEYS = "/hallmark.v1.KeyService/"
_SIGNING = "/hallmark.v1.SigningService/"
_DEVICES = "/hallmark.v1.DeviceService/"
_REVOCATION = "/hallmark.v1.RevocationService/"
_LOG = "/hallmark.v1.LogService/"

CREATE_KEY: Final = Rpc(f"{_KEYS}CreateKey", keys.CreateKeyRequest, keys.CreateKeyResponse)
GET_KEY: Final = Rpc(f"{_KEYS}GetKey", keys.GetKeyRequest, keys.Key)
LIST_KEYS: Final = Rpc(f"{_KEYS}ListKeys", keys.ListKeysRequest, keys.ListKeysResponse)
GET_PUBLIC_KEY: Final = Rpc(f"{_KEYS}GetPublicKey", keys.GetPublicKeyRequest, keys.PublicKey)
ROTATE_KEY: Final = Rpc(f"{_KEYS}RotateKey", keys.RotateKeyRequest, keys.RotateKeyResponse)
GET_CAPABILITIES: Final = Rpc(f"{_KEYS}GetCapabilities", keys.GetCapabilitiesRequest, keys.Capabilities)

SIGN: Final = Rpc(f"{_SIGNING}Sign", keys.SignRequest, keys.SignResponse)
VERIFY: Final = Rpc(f"{_SIGNING}Verify", keys.VerifyRequest, keys.VerifyResponse)

CREATE_CHALLENGE: Final = Rpc(f"{_DEVICES}CreateChallenge", devices.CreateChallengeRequest, devices.Challenge)
ATTEST_DEVICE: Final = Rpc(f"{_DEVICES}AttestDevice", devices.AttestDeviceRequest, devices.AttestDeviceResponse)
GET_DEVICE: Final = Rpc(f"{_DEVICES}GetDevice", devices.GetDeviceRequest, devices.Device)

REVOKE: Final = Rpc(f"{_REVOCATION}Revoke", revocation.RevokeRequest, revocation.RevokeResponse)
LIST_REVOCATIONS: Final = Rpc(
    f"{_REVOCATION}ListRevocations", revocation.ListRevocationsRequest, revocation.ListRevocationsResponse
)
WATCH_REVOCATIONS: Final = Rpc(
    f"{_REVOCATION}WatchRevocations",
    revocation.WatchRevocationsRequest,
    revocation.WatchRevocationsResponse,
    streaming=True,
)

GET_CHECKPOINT: Final = Rpc(f"{_LOG}GetCheckpoint", log.GetCheckpointRequest, log.Checkpoint)
GET_INCLUSION_PROOF: Final = Rpc(f"{_LOG}GetInclusionProof", log.GetInclusionProofRequest, log.InclusionProof)
GET_CONSISTENCY_PROOF: Final = Rpc(f"{_LOG}GetConsistencyProof", log.GetConsistencyProofRequest, log.ConsistencyProof)

RPCS: Final[tuple[Rpc[Any, Any], ...]] = (
    CREATE_KEY,
    GET_KEY,
    LIST_KEYS,
    GET_PUBLIC_KEY,
    ROTATE_KEY,
    GET_CAPABILITIES,
    SIGN,
    VERIFY,
    CREATE_CHALLENGE,
    ATTEST_DEVICE,
    GET_DEVICE,
    REVOKE,
    LIST_REVOCATIONS,
    WATCH_REVOCATIONS,
    GET_CHECKPOINT,
    GET_INCLUSION_PROOF,
    GET_CONSISTENCY_PROOF,
)
"""Every RPC of hallmark.v1."""
