"""Artifacts in the old form, and how they lie in the vault: what the vault has no field for is kept in its labels."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, Self

from hallmark_client.device.model import Artifact
from hallmark_client.model import consents

from .errors import UnknownArtifactError

ID_PREFIX: Final = "urn:pqc-enclave-art:"
KEY_PREFIX: Final = "urn:pqc-enclave-key:"
_LABEL: Final = "pqc-enclave-sdk."
_LABEL_CHARACTERS: Final = 256
_LABELS_MAX: Final = 64
_SALT: Final = 24
"""Bytes of a Cobblestone-256 message that take the place of a nonce."""


class ArtifactKind(StrEnum):
    MODEL_WEIGHTS = "model-weights"
    LORA_ADAPTER = "lora-adapter"
    TOKENIZER = "tokenizer"
    CREDENTIAL = "credential"
    BIOMETRIC_TEMPLATE = "biometric-template"
    INFERENCE_CACHE = "inference-cache"
    SAFETY_MODEL = "safety-model"
    OTHER = "other"

    @property
    def in_vault(self) -> consents.ArtifactKind:
        return consents.ArtifactKind[self.name]


@dataclass(frozen=True)
class ArtifactMetadata:
    """Nothing of this is secret. created_at: RFC 3339."""

    artifact_id: str
    name: str
    kind: ArtifactKind
    version: str = ""
    app_bundle_id: str = ""
    size_bytes: int = 0
    created_at: str = ""
    device_id: str = ""
    model_did: str = ""
    tags: tuple[str, ...] = ()
    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "kind": self.kind.value, "tags": list(self.tags)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        return cls(**{**data, "kind": ArtifactKind(data["kind"]), "tags": tuple(data.get("tags", ()))})


@dataclass
class EnclaveArtifact:
    """content: plaintext, all of it in memory. For large ones: EnclaveVault.open_artifact."""

    metadata: ArtifactMetadata
    content: bytes = field(repr=False)

    @staticmethod
    def content_hash(data: bytes) -> str:
        """SHA3-256, 64 hex digits."""
        return hashlib.sha3_256(data).hexdigest()

    def sha3_256_hex(self) -> str:
        return self.content_hash(self.content)


@dataclass
class EncryptedArtifact:
    """nonce, ciphertext: hex. content_hash: SHA3-256 of the plaintext, hex. key_id: which key opens it."""

    metadata: ArtifactMetadata
    nonce: str = field(repr=False)
    ciphertext: str = field(repr=False)
    content_hash: str
    key_id: str

    def to_dict(self) -> dict[str, Any]:
        return {
            "metadata": self.metadata.to_dict(),
            "nonce": self.nonce,
            "ciphertext": self.ciphertext,
            "content_hash": self.content_hash,
            "key_id": self.key_id,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "EncryptedArtifact":
        return EncryptedArtifact(
            metadata=ArtifactMetadata.from_dict(data["metadata"]),
            nonce=data["nonce"],
            ciphertext=data["ciphertext"],
            content_hash=data["content_hash"],
            key_id=data["key_id"],
        )


class StoredArtifact(EncryptedArtifact):
    """One in a vault. Its encrypted bytes stay on disk: `nonce` and `ciphertext` are read when they are asked for.

    They are a Cobblestone-256 message (C2SP chunked-encryption): its salt, and all that follows.
    """

    def __init__(self, metadata: ArtifactMetadata, *, content_hash: str, file: Path) -> None:
        self.metadata = metadata
        self.content_hash = content_hash
        self.key_id = KEY_PREFIX + metadata.artifact_id.removeprefix(ID_PREFIX)
        self._file = file

    def __getattr__(self, name: str) -> str:
        """Only called for what is not there."""
        if name not in {"nonce", "ciphertext"}:
            raise AttributeError(name)
        try:
            with self._file.open("rb") as file:
                salt = file.read(_SALT)
                return (salt if name == "nonce" else file.read()).hex()
        except FileNotFoundError:
            raise UnknownArtifactError(f"{self.metadata.name!r} was deleted") from None


def labels(metadata: ArtifactMetadata, content_hash: str) -> dict[str, str]:
    """Raises ValueError for more than 16 KiB of them."""
    told = {
        "app_bundle_id": metadata.app_bundle_id,
        "content_hash": content_hash,
        "description": metadata.description,
        "device_id": metadata.device_id,
        "model_did": metadata.model_did,
        "tags": list(metadata.tags),
        "version": metadata.version,
    }
    text = json.dumps(told, sort_keys=True, separators=(",", ":"))
    pieces = [text[start : start + _LABEL_CHARACTERS] for start in range(0, len(text), _LABEL_CHARACTERS)]
    if len(pieces) > _LABELS_MAX:
        raise ValueError(f"description, tags and the other texts have {len(text)} characters: at most 16,384")
    return {f"{_LABEL}{number:02}": piece for number, piece in enumerate(pieces)}


def stored(artifact: Artifact, folder: Path) -> StoredArtifact:
    """folder: of the vault. An artifact that was stored without this API has no texts, and no SHA3-256."""
    pieces = [value for key, value in sorted(artifact.labels.items()) if key.startswith(_LABEL)]
    told = json.loads("".join(pieces)) if pieces else {}
    content_hash, tags = told.pop("content_hash", ""), tuple(told.pop("tags", ()))
    blob = artifact.parts[0].blob
    metadata = ArtifactMetadata(
        artifact_id=ID_PREFIX + artifact.artifact_id,
        name=artifact.name,
        kind=ArtifactKind[artifact.kind.name],
        size_bytes=artifact.size,
        created_at=artifact.created_at.isoformat(),
        tags=tags,
        **told,
    )
    return StoredArtifact(metadata, content_hash=content_hash, file=folder / "blobs" / blob[:2] / blob)
