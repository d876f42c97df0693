"""The names of pqc-enclave-sdk 0.1.0 over the vault of this SDK (hallmark_client.device).

Beyond them: DeviceBackend (a folder and a real root of trust), EnclaveVault.open_artifact (any size, any place),
EnclaveVault.device_vault (everything else). New programs use hallmark_client.device itself.
"""

from .artifact import ArtifactKind, ArtifactMetadata, EnclaveArtifact, EncryptedArtifact
from .attestation import DeviceAttestation, DeviceAttester
from .audit import EnclaveAuditEntry, EnclaveAuditLog
from .backends import (
    AndroidEnclaveBackend,
    DeviceBackend,
    EnclaveBackend,
    InMemoryEnclaveBackend,
    QSEEBackend,
    iOSEnclaveBackend,
)
from .errors import (
    AttestationError,
    BackendError,
    DecryptionError,
    EnclaveLockedError,
    EnclaveSDKError,
    PolicyViolationError,
    UnknownArtifactError,
)
from .policy import AccessPolicy, ArtifactPolicy
from .session import establish_enclave_session
from .vault import EnclaveVault

__version__ = "0.1.0"
"""Of the API whose names these are."""

__all__ = [
    "AccessPolicy",
    "AndroidEnclaveBackend",
    "ArtifactKind",
    "ArtifactMetadata",
    "ArtifactPolicy",
    "AttestationError",
    "BackendError",
    "DecryptionError",
    "DeviceAttestation",
    "DeviceAttester",
    "DeviceBackend",
    "EnclaveArtifact",
    "EnclaveAuditEntry",
    "EnclaveAuditLog",
    "EnclaveBackend",
    "EnclaveLockedError",
    "EnclaveSDKError",
    "EnclaveVault",
    "EncryptedArtifact",
    "InMemoryEnclaveBackend",
    "PolicyViolationError",
    "QSEEBackend",
    "UnknownArtifactError",
    "establish_enclave_session",
    "iOSEnclaveBackend",
]
