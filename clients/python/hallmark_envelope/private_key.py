"""Private keys, from their seeds: for those who receive envelopes themselves, and for the signer processes."""

import hashlib
from typing import Final, NoReturn, Self

import cryptography.exceptions
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .errors import EnvelopeInvalid, MalformedInput, MalformedKey
from .kem import MAX_ENVELOPE_SIZE, SEED_SIZE, HpkeKem
from .sealing import SUITES, check_info

_MLKEM_SEED_SIZE: Final = 64
_X25519_SIZE: Final = 32
_P384_SIZE: Final = 48


class EnvelopePrivateKey:
    """Opens envelopes. `public_key` is serialised as HPKE does. Hides its secrets from repr and pickles."""

    __slots__ = ("_key", "kem", "public_key")

    def __init__(
        self,
        kem: HpkeKem,
        key: hpke.MLKEM768X25519PrivateKey | hpke.MLKEM1024P384PrivateKey,
        public_key: bytes,
    ) -> None:
        self.kem = kem
        self.public_key = public_key
        self._key = key

    @classmethod
    def from_seed(cls, kem: HpkeKem, seed: bytes) -> Self:
        """The key pair of 32 uniformly random bytes. Raises MalformedKey.

        Both expand the seed with SHAKE256 into an ML-KEM seed and the classical key (X-Wing draft, section 5.2;
        draft-irtf-cfrg-concrete-hybrid-kems, section 3).
        """
        if len(seed) != SEED_SIZE:
            raise MalformedKey(f"a private key is a seed of {SEED_SIZE} bytes, not {len(seed)}")
        match kem:
            case HpkeKem.MLKEM768_X25519:
                return cls(kem, *_expand_mlkem768_x25519(seed))
            case HpkeKem.MLKEM1024_P384:
                return cls(kem, *_expand_mlkem1024_p384(seed))

    def open(self, envelope: bytes, *, info: bytes = b"") -> bytes:
        """The plaintext of enc || ciphertext. Raises EnvelopeInvalid, or MalformedInput for info over the limit."""
        check_info(info)
        if len(envelope) > MAX_ENVELOPE_SIZE:
            raise MalformedInput(f"an envelope may have {MAX_ENVELOPE_SIZE} bytes, not {len(envelope)}")
        try:
            return SUITES[self.kem].decrypt(envelope, self._key, info)
        except (cryptography.exceptions.InvalidTag, ValueError):
            raise EnvelopeInvalid from None

    def __repr__(self) -> str:
        return f"EnvelopePrivateKey({self.kem.standard_name}, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is never serialised")


def _expand_mlkem768_x25519(seed: bytes) -> tuple[hpke.MLKEM768X25519PrivateKey, bytes]:
    expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED_SIZE + _X25519_SIZE)
    post_quantum = mlkem.MLKEM768PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_SIZE])
    classical = x25519.X25519PrivateKey.from_private_bytes(expanded[_MLKEM_SEED_SIZE:])
    public_key = post_quantum.public_key().public_bytes_raw() + classical.public_key().public_bytes_raw()
    return hpke.MLKEM768X25519PrivateKey(post_quantum, classical), public_key


def _expand_mlkem1024_p384(seed: bytes) -> tuple[hpke.MLKEM1024P384PrivateKey, bytes]:
    """One candidate for the P-384 scalar; that it is out of range has a probability of about 2^-190."""
    expanded = hashlib.shake_256(seed).digest(_MLKEM_SEED_SIZE + _P384_SIZE)
    post_quantum = mlkem.MLKEM1024PrivateKey.from_seed_bytes(expanded[:_MLKEM_SEED_SIZE])
    try:
        classical = ec.derive_private_key(int.from_bytes(expanded[_MLKEM_SEED_SIZE:], "big"), ec.SECP384R1())
    except ValueError:
        raise MalformedKey("this seed gives no P-384 key; take another") from None
    point = classical.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    public_key = post_quantum.public_key().public_bytes_raw() + point
    return hpke.MLKEM1024P384PrivateKey(post_quantum, classical), public_key
