"""Hallmark from Python: hybrid post-quantum signatures from an HSM, attested devices, revocation, a log of it all.

    from hallmark_client import Client, Profile

    with Client(Profile.load("hallmark-data/clients/backend")) as client:
        signature = client.signing.sign_file("manifest", "model.safetensors", context=b"models/v1")

    # anywhere else, offline, with the public key alone
    from hallmark_client import load_public_key, verify_file
    verify_file(load_public_key("manifest.pem"), "model.safetensors", signature.signature, b"models/v1")

Tests of programs that use it: `hallmark_client.testing.FakeService().client()` is the same Client over a server in
memory, with real cryptography.
"""

from hallmark_client.bundle import VerifiedFile, load_public_key, prehash_file, verify_file
from hallmark_client.client import Client
from hallmark_client.errors import (
    Aborted,
    AlreadyExists,
    ChecksumMismatch,
    CursorInvalid,
    DeadlineExceeded,
    EnvelopeInvalid,
    FailedPrecondition,
    HallmarkError,
    Internal,
    InvalidArgument,
    ManifestInvalid,
    ManifestMismatch,
    NotFound,
    PermissionDenied,
    ProfileInvalid,
    ResourceExhausted,
    SignatureInvalid,
    TransportRefused,
    Unauthenticated,
    Unavailable,
    VerificationFailed,
)
from hallmark_client.manifest import ManifestReport, build_manifest, verify_manifest
from hallmark_client.model.approvals import Approval, Proposal
from hallmark_client.model.capabilities import Capabilities
from hallmark_client.model.devices import Attestation, Challenge, Device, Verdict
from hallmark_client.model.enums import (
    Algorithm,
    DeviceState,
    EvidenceFormat,
    ExportPolicy,
    InitiatingEntity,
    KeyOrigin,
    KeyPurpose,
    KeyVersionAction,
    KeyVersionState,
    LogWait,
    ProposalState,
    ProposedAct,
    ProtectionLevel,
    RevocationReason,
)
from hallmark_client.model.envelopes import (
    DataKey,
    EnvelopeKey,
    OpenedEnvelope,
    SealedEnvelope,
    SealingKey,
    Shredding,
)
from hallmark_client.model.key_settings import Alias, Compromise, Readiness, Rehearsal, UpdateRehearsal
from hallmark_client.model.keys import (
    Key,
    KeyComponent,
    KeyVersion,
    PublicKey,
    RotationPolicy,
    Signature,
    UsageLimits,
    Verified,
)
from hallmark_client.model.log import (
    Checkpoint,
    ConsistencyProof,
    Consistent,
    InclusionProof,
    Logged,
    LogPromise,
    VerifierKeys,
)
from hallmark_client.model.revocations import (
    Bookmark,
    Event,
    Frame,
    Goodbye,
    Heartbeat,
    RevocationEvent,
    Snapshot,
    VerifiedEvent,
)
from hallmark_client.model.signed import ServiceSignature, TrustedKeys
from hallmark_client.model.transfer import ExportedKey, Recipient, VerifiedWrappingKey, WrappingKey
from hallmark_client.model.trust import TrustBundle, VerifiedBundle
from hallmark_client.profile import Profile
from hallmark_client.to_sign import ToSign, ToVerify
from hallmark_client.trust import read_public_bundle
from hallmark_client.verifying_key import PlainPublicKey, VerifiedPlain

__all__ = [
    "Aborted",
    "Algorithm",
    "Alias",
    "AlreadyExists",
    "Approval",
    "Attestation",
    "Bookmark",
    "Capabilities",
    "Challenge",
    "Checkpoint",
    "ChecksumMismatch",
    "Client",
    "Compromise",
    "ConsistencyProof",
    "Consistent",
    "CursorInvalid",
    "DataKey",
    "DeadlineExceeded",
    "Device",
    "DeviceState",
    "EnvelopeInvalid",
    "EnvelopeKey",
    "Event",
    "EvidenceFormat",
    "ExportPolicy",
    "ExportedKey",
    "FailedPrecondition",
    "Frame",
    "Goodbye",
    "HallmarkError",
    "Heartbeat",
    "InclusionProof",
    "InitiatingEntity",
    "Internal",
    "InvalidArgument",
    "Key",
    "KeyComponent",
    "KeyOrigin",
    "KeyPurpose",
    "KeyVersion",
    "KeyVersionAction",
    "KeyVersionState",
    "LogPromise",
    "LogWait",
    "Logged",
    "ManifestInvalid",
    "ManifestMismatch",
    "ManifestReport",
    "NotFound",
    "OpenedEnvelope",
    "PermissionDenied",
    "PlainPublicKey",
    "Profile",
    "ProfileInvalid",
    "Proposal",
    "ProposalState",
    "ProposedAct",
    "ProtectionLevel",
    "PublicKey",
    "Readiness",
    "Recipient",
    "Rehearsal",
    "ResourceExhausted",
    "RevocationEvent",
    "RevocationReason",
    "RotationPolicy",
    "SealedEnvelope",
    "SealingKey",
    "ServiceSignature",
    "Shredding",
    "Signature",
    "SignatureInvalid",
    "Snapshot",
    "ToSign",
    "ToVerify",
    "TransportRefused",
    "TrustBundle",
    "TrustedKeys",
    "Unauthenticated",
    "Unavailable",
    "UpdateRehearsal",
    "UsageLimits",
    "Verdict",
    "VerificationFailed",
    "Verified",
    "VerifiedBundle",
    "VerifiedEvent",
    "VerifiedFile",
    "VerifiedPlain",
    "VerifiedWrappingKey",
    "VerifierKeys",
    "WrappingKey",
    "build_manifest",
    "load_public_key",
    "prehash_file",
    "read_public_bundle",
    "verify_file",
    "verify_manifest",
]
