"""A key that is agreed on with a device's key pair: ML-KEM (FIPS 203), really encapsulated and decapsulated.

The vault itself needs none of this: from its root of trust down everything is symmetric. A KEM is for keys that come
from elsewhere, such as the content key of a release (hallmark_envelope, RequestArtifactKey).
"""

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

from cryptography.hazmat.primitives.asymmetric import mlkem
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hallmark_client.device.errors import ArtifactUnknown

from .artifact import KEY_PREFIX
from .backends.base import EnclaveBackend
from .errors import BackendError, old_errors

DEFAULT_SESSION_TTL: Final = 3600
_KEY: Final = 32
_INFO: Final = b"hallmark/pqc-enclave-sdk-session/v1\n"
_SECRET: Final = "pqc-enclave-sdk.kem."  # noqa: S105 - the label of one
_PrivateKey: TypeAlias = mlkem.MLKEM768PrivateKey | mlkem.MLKEM1024PrivateKey
_PRIVATE_KEYS: Final[Mapping[str, type[_PrivateKey]]] = {
    "ML-KEM-768": mlkem.MLKEM768PrivateKey,
    "ML-KEM-1024": mlkem.MLKEM1024PrivateKey,
}


def establish_enclave_session(
    backend: EnclaveBackend, algorithm: str = "ML-KEM-768", ttl_seconds: int = DEFAULT_SESSION_TTL
) -> tuple[bytes, str, str]:
    """(key of 32 bytes, its id, when it ends). The key is also the backend's until then, or until its vault is locked.

    The shared secret is encapsulated to the device's public key, and opened with its private key, which is made at the
    first session and kept in the device's vault. algorithm: ML-KEM-768 or ML-KEM-1024. Raises BackendError.
    """
    name = str(getattr(algorithm, "value", algorithm))
    if name not in _PRIVATE_KEYS:
        raise BackendError(f"{name} is not offered: {' or '.join(_PRIVATE_KEYS)}")
    with backend.opened():
        private = _private_key(backend, name)
        shared, encapsulated = private.public_key().encapsulate()
        if private.decapsulate(encapsulated) != shared:
            raise BackendError("the device's private key does not open what was sealed to it")
        key_id = KEY_PREFIX + uuid.uuid4().hex
        expires = (datetime.now(UTC) + timedelta(seconds=ttl_seconds)).isoformat()
        info = _INFO + f"{name}\n{key_id}\n{expires}\n".encode()
        key = HKDF(SHA256(), _KEY, salt=None, info=info).derive(shared)
        backend.store_session_key(key_id, key, expires)
    return key, key_id, expires


def _private_key(backend: EnclaveBackend, name: str) -> _PrivateKey:
    with old_errors(), backend.opened() as vault:
        try:
            seed = vault.secret(_SECRET + name)
        except ArtifactUnknown:
            made = _PRIVATE_KEYS[name].generate()
            vault.keep_secret(_SECRET + name, made.private_bytes_raw())
            return made
        try:
            return _PRIVATE_KEYS[name].from_seed_bytes(bytes(seed))
        finally:
            seed[:] = bytes(len(seed))
