"""The associated data that tie a sealed seed to its key, and the AES-256-GCM sizes.

AAD = "hallmark-seal-v1" or "hallmark-seal-v1-exportable" || for each field: 4-byte big-endian length || bytes
fields: mechanism, key-encryption key id, algorithm name, SHA-256 of the public key, key_binding

Every field is length-prefixed, so no two different lists of fields share an encoding. A seed therefore opens only for
the key version it was made for, under the same algorithm (a composite's seed never signs as a plain ML-DSA key) and
beside the same public key. Changing anything here needs a new version string.

A private key inside the token has no associated data; its CKA_LABEL does their work. Signing looks a key up by CKA_ID
and the label of its use, so the half of a composite is not found as a plain key, nor under another binding.
"""

import hashlib
from typing import Final

from .errors import InvalidRequest
from .material import SEAL_MECHANISM, SEAL_VERSION
from .provider import MAX_KEY_BINDING_SIZE

COMPONENT_LABEL: Final = "hallmark"
"""The ECDSA half of a composite."""
ED25519_LABEL: Final = "hallmark"
"""No composite here has an Ed25519 half; the key type tells them from the ECDSA ones."""
ECDSA_LABEL: Final = "hallmark-ecdsa"
"""A plain ECDSA key."""
_NATIVE_VERSION: Final = b"hallmark-token-key-v1"


def associated_data(
    *, kek_id: bytes, algorithm: str, public_key: bytes, key_binding: bytes, version: str = SEAL_VERSION
) -> bytes:
    """`version` as in SealedSeed.aad_version. Raises InvalidRequest for a binding that is too long."""
    if len(key_binding) > MAX_KEY_BINDING_SIZE:
        raise InvalidRequest(f"the key binding may have {MAX_KEY_BINDING_SIZE} bytes")
    fields = (SEAL_MECHANISM.encode(), kek_id, algorithm.encode(), hashlib.sha256(public_key).digest(), key_binding)
    return version.encode() + _framed(*fields)


def native_label(*, algorithm: str, key_binding: bytes) -> str:
    """CKA_LABEL of an ML-DSA key inside the token: "hallmark-" and a SHA-256 in hex. Raises InvalidRequest.

    The public key is not in it, because the label is given before the key exists: a wrong public key shows when the
    signature is verified before its release.
    """
    if len(key_binding) > MAX_KEY_BINDING_SIZE:
        raise InvalidRequest(f"the key binding may have {MAX_KEY_BINDING_SIZE} bytes")
    digest = hashlib.sha256(_NATIVE_VERSION + _framed(algorithm.encode(), key_binding)).hexdigest()
    return f"hallmark-{digest}"


def _framed(*fields: bytes) -> bytes:
    return b"".join(len(field).to_bytes(4, "big") + field for field in fields)
