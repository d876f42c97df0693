"""Releases of models, and the keys of what is in them, sealed to one device."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from hallmark_client.errors import EnvelopeInvalid, VerificationFailed
from hallmark_client.model.consents import ArtifactKind, Lease
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_envelope import EnvelopeInvalid as DoesNotOpen
from hallmark_envelope import EnvelopePrivateKey, MalformedInput

CONTENT_KEY_BYTES: Final = 32
ARTIFACT_KEY_PURPOSE: Final = "hallmark/artifact-key/v1"
RELEASE_KEY_PURPOSE: Final = "hallmark/release-key/v1"


class ReleaseState(StrEnum):
    """REVOKED is for ever. SUPERSEDED: its epoch is below the minimum of its model."""

    AVAILABLE = "AVAILABLE"
    REVOKED = "REVOKED"
    SUSPENDED = "SUSPENDED"
    SUPERSEDED = "SUPERSEDED"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Release(Result):
    """What the service knows of a release; its files lie elsewhere.

    name: tenants/{tenant}/releases/{SHA-256 of its statement}. artifact: tenants/{tenant}/artifacts/{the same}: what
    consents, leases, revocations and removals are about. epoch: from 1, each of a model greater than all before.
    minimum_epoch: nothing of the model below it may be used any more. statement_sha256, index_sha256: 32 bytes.
    key_version: what the content key is sealed to. creator: the SPIFFE ID of who made it known.
    """

    name: str
    artifact: str
    model: str
    version: str
    epoch: int
    minimum_epoch: int
    kind: ArtifactKind
    statement_sha256: bytes
    index_sha256: bytes
    key_version: str
    requires_consent: bool
    state: ReleaseState
    create_time: datetime
    creator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseCreated(Result):
    """The release is known, and the log says so."""

    release: Release
    log: LogPromise
    replayed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactKey(Result):
    """The content key of a release, sealed to the device that asked.

    kem_id: of the device's HPKE key (HKDF-SHA256, AES-256-GCM). envelope: enc || ciphertext. info: what it is bound to,
    see `artifact_key_info`. lease: where the release requires consent.
    """

    release: str
    kem_id: int
    envelope: bytes
    info: bytes
    lease: Lease | None
    log: LogPromise

    def open(self, key: EnvelopePrivateKey, *, artifact: str, device: str, epoch: int, nonce: bytes) -> bytearray:
        """The content key, 32 bytes, to be wiped after use. The arguments: what the device knows by itself.

        Raises VerificationFailed (ARTIFACT_KEY_MISMATCH) for the answer to another question, EnvelopeInvalid.
        """
        expected = artifact_key_info(
            artifact=artifact, device=device, epoch=epoch, public_key=key.public_key, nonce=nonce
        )
        if self.kem_id != int(key.kem) or not hmac.compare_digest(self.info, expected):
            sentence = "this key was sealed for another device, key, artifact, epoch or question; ask again"
            raise VerificationFailed("ARTIFACT_KEY_MISMATCH", sentence)
        try:
            opened = bytearray(key.open(self.envelope, info=expected))
        except (DoesNotOpen, MalformedInput):
            opened = bytearray()
        if len(opened) != CONTENT_KEY_BYTES:
            raise EnvelopeInvalid("ENVELOPE_INVALID", "the content key does not open with the key of this device")
        return opened


def artifact_key_info(*, artifact: str, device: str, epoch: int, public_key: bytes, nonce: bytes) -> bytes:
    """The HPKE info of an ArtifactKey: canonical JSON (RFC 8785). artifact, device: resource names; public_key: the
    device's HPKE key as it registered it; nonce: as it asked.
    """
    told = {
        "artifact": artifact,
        "device": device,
        "epoch": epoch,
        "key_sha256": hashlib.sha256(public_key).hexdigest(),
        "nonce": base64.b64encode(nonce).decode(),
        "purpose": ARTIFACT_KEY_PURPOSE,
    }
    return json.dumps(told, sort_keys=True, separators=(",", ":")).encode()


def release_key_info(*, model: str, version: str, epoch: int) -> bytes:
    """The HPKE info that the content key of a release is sealed with: canonical JSON (RFC 8785). model: resource name.
    The service takes no other: an envelope that was made for anything else can not become a release's.
    """
    told = {"epoch": epoch, "model": model, "purpose": RELEASE_KEY_PURPOSE, "version": version}
    return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchored(Result):
    """The head of the device's audit chain is in the log since `time`."""

    time: datetime
    log: LogPromise
    replayed: bool = False
