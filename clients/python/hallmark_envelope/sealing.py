"""Sealing, and the suites and public keys in the form the `cryptography` package takes."""

from typing import Final

from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric import ec, mlkem, x25519

from .errors import MalformedInput, MalformedKey
from .kem import MAX_INFO_SIZE, HpkeKem

_UNCOMPRESSED: Final = 0x04
_MLKEM768_SIZE: Final = 1184
_MLKEM1024_SIZE: Final = 1568
SUITES: Final = {
    HpkeKem.MLKEM768_X25519: hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
    HpkeKem.MLKEM1024_P384: hpke.Suite(hpke.KEM.MLKEM1024_P384, hpke.KDF.HKDF_SHA256, hpke.AEAD.AES_256_GCM),
}


def seal_envelope(public_key: bytes, kem: HpkeKem, plaintext: bytes, *, info: bytes = b"") -> bytes:
    """An envelope, `kem.overhead` bytes longer than `plaintext`: RFC 9180, section 6.1, SealBase, with empty aad.

    `info` (at most 1,024 bytes) must be given again to open it. Raises MalformedKey, MalformedInput.
    """
    check_info(info)
    if len(plaintext) > kem.max_plaintext_size:
        raise MalformedInput(f"the plaintext may have {kem.max_plaintext_size} bytes, not {len(plaintext)}")
    loaded = load_public_key(public_key, kem)
    try:
        return SUITES[kem].encrypt(plaintext, loaded, info)
    except ValueError:  # an X25519 point of small order shows only when it is used (RFC 7748, section 6.1)
        raise MalformedKey(f"not a public key of {kem.standard_name}") from None


def load_public_key(public_key: bytes, kem: HpkeKem) -> hpke.MLKEM768X25519PublicKey | hpke.MLKEM1024P384PublicKey:
    """Raises MalformedKey unless both halves are keys."""
    if len(public_key) != kem.public_key_size:
        raise MalformedKey(
            f"a public key of {kem.standard_name} has {kem.public_key_size} bytes, not {len(public_key)}"
        )
    try:
        if kem is HpkeKem.MLKEM768_X25519:
            return hpke.MLKEM768X25519PublicKey(
                mlkem.MLKEM768PublicKey.from_public_bytes(public_key[:_MLKEM768_SIZE]),
                x25519.X25519PublicKey.from_public_bytes(public_key[_MLKEM768_SIZE:]),
            )
        point = public_key[_MLKEM1024_SIZE:]
        if point[0] != _UNCOMPRESSED:
            raise ValueError
        return hpke.MLKEM1024P384PublicKey(
            mlkem.MLKEM1024PublicKey.from_public_bytes(public_key[:_MLKEM1024_SIZE]),
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), point),
        )
    except ValueError:
        raise MalformedKey(f"not a public key of {kem.standard_name}") from None


def check_info(info: bytes) -> None:
    if len(info) > MAX_INFO_SIZE:
        raise MalformedInput(f"the info may have {MAX_INFO_SIZE} bytes, not {len(info)}")
