"""Private keys of the fake, which can be read: it exports them."""

from dataclasses import dataclass, field
from typing import Self, TypeAlias

from hallmark_client.testing.composite import CompositeKeyPair
from hallmark_envelope import EnvelopePrivateKey, HpkeKem


@dataclass(frozen=True, slots=True)
class EnvelopeSecret:
    """An HPKE key with its 32-byte seed."""

    seed: bytes = field(repr=False)
    key: EnvelopePrivateKey

    @classmethod
    def from_seed(cls, kem: HpkeKem, seed: bytes) -> Self:
        """Raises hallmark_envelope.MalformedKey."""
        return cls(seed, EnvelopePrivateKey.from_seed(kem, seed))

    @property
    def public_key(self) -> bytes:
        return self.key.public_key


Secret: TypeAlias = CompositeKeyPair | EnvelopeSecret
