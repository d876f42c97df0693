"""The KEMs, as a table of facts, and the rest of the suite.

Source: draft-ietf-hpke-pq-05 and draft-irtf-cfrg-concrete-hybrid-kems-04 (ids, sizes, seeds). 0x647a is X-Wing.
"""

import enum
from typing import Final

KDF_ID: Final = 0x0001
"""HKDF-SHA256 (RFC 9180, table 3)."""
AEAD_ID: Final = 0x0002
"""AES-256-GCM (RFC 9180, table 5); 16-byte tag."""
SEED_SIZE: Final = 32
"""The private key of both KEMs is a 32-byte seed."""
TAG_SIZE: Final = 16
MAX_INFO_SIZE: Final = 1024
MAX_ENVELOPE_SIZE: Final = 1 << 20


class HpkeKem(enum.IntEnum):
    """The value is the HPKE KEM id. Sizes in bytes."""

    MLKEM768_X25519 = 0x647A
    """ML-KEM-768 with X25519; the default."""
    MLKEM1024_P384 = 0x0051
    """ML-KEM-1024 with P-384; level 5."""

    @property
    def standard_name(self) -> str:
        return _FACTS[self][0]

    @property
    def public_key_size(self) -> int:
        """ML-KEM encapsulation key, then the X25519 key or the uncompressed P-384 point."""
        return _FACTS[self][1]

    @property
    def enc_size(self) -> int:
        """ML-KEM ciphertext, then the ephemeral X25519 key or P-384 point."""
        return _FACTS[self][2]

    @property
    def overhead(self) -> int:
        """What an envelope is longer than its plaintext."""
        return self.enc_size + TAG_SIZE

    @property
    def max_plaintext_size(self) -> int:
        return MAX_ENVELOPE_SIZE - self.overhead


_FACTS: Final = {
    HpkeKem.MLKEM768_X25519: ("MLKEM768-X25519", 1216, 1120),
    HpkeKem.MLKEM1024_P384: ("MLKEM1024-P384", 1665, 1665),
}
