"""The epoch key, and what lies under it: the artifacts' keys and the vault's secrets."""

from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hallmark_client.device.errors import ContentInvalid

KEY: Final = 32
_NONCE: Final = 12
_TAG: Final = 16


class EpochKey:
    """Wraps with AES-256-GCM (NIST SP 800-38D) under a random 96-bit nonce: nonce, ciphertext, tag.

    secret: 32 bytes, this object's own from now on. Far below 2^32 wrappings for one key (section 8.3).
    """

    def __init__(self, secret: bytearray, random_bytes: Callable[[int], bytes]) -> None:
        self._secret = secret
        self._cipher = AESGCM(secret)
        self._random_bytes = random_bytes

    @property
    def secret(self) -> bytearray:
        """Not a copy: for sealing only."""
        return self._secret

    def wrap(self, key: bytes | bytearray, bound: bytes) -> bytes:
        nonce = self._random_bytes(_NONCE)
        return nonce + self._cipher.encrypt(nonce, key, bound)

    def unwrap(self, wrapped: bytes, bound: bytes) -> bytearray:
        """The caller's to wipe. Raises ContentInvalid where key, `bound` or the wrapped bytes are not the ones."""
        key = bytearray(max(0, len(wrapped) - _NONCE - _TAG))
        try:
            self._cipher.decrypt_into(wrapped[:_NONCE], wrapped[_NONCE:], bound, key)
        except (InvalidTag, ValueError):
            raise ContentInvalid(
                "CONTENT_INVALID", "a row of the index and its key do not belong together: the index was edited"
            ) from None
        return key

    def wipe(self) -> None:
        wipe(self._secret)


def wipe(secret: bytearray) -> None:
    """Overwrites. A copy that the interpreter or a library made before is out of reach."""
    secret[:] = bytes(len(secret))
