"""The associated data that tie a sealed seed to its key, and the AES-256-GCM sizes.

AAD = "hallmark-seal-v1" || for each field: 4-byte big-endian length || bytes
fields: mechanism, key-encryption key id, algorithm name, SHA-256 of the public key, key_binding

Every field is length-prefixed, so no two different lists of fields share an encoding. A seed therefore opens only for
the key version it was made for, under the same algorithm (a composite's seed never signs as a plain ML-DSA key) and
beside the same public key. Changing anything here needs a new version string.
"""

import hashlib

from .errors import InvalidRequest
from .material import SEAL_MECHANISM, SEAL_VERSION
from .provider import MAX_KEY_BINDING_SIZE


def associated_data(*, kek_id: bytes, algorithm: str, public_key: bytes, key_binding: bytes) -> bytes:
    """Raises InvalidRequest for a binding that is too long."""
    if len(key_binding) > MAX_KEY_BINDING_SIZE:
        raise InvalidRequest(f"the key binding may have {MAX_KEY_BINDING_SIZE} bytes")
    fields = (SEAL_MECHANISM.encode(), kek_id, algorithm.encode(), hashlib.sha256(public_key).digest(), key_binding)
    return SEAL_VERSION.encode() + b"".join(len(field).to_bytes(4, "big") + field for field in fields)
