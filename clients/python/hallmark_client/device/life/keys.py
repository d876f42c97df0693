"""The keys of a device: the attested one, and the HPKE key that artifact keys are sealed to."""

import contextlib
import hashlib
from typing import Final, NoReturn, Protocol

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from hallmark_client.device.errors import ArtifactUnknown
from hallmark_client.model.devices import DeviceHpkeKey, hpke_message
from hallmark_client.system import System
from hallmark_envelope import SEED_SIZE, EnvelopePrivateKey, HpkeKem

from .attester import Attester, DeviceKey
from .model import KeyPlace

KEM: Final = HpkeKem.MLKEM768_X25519
_DEVICE_KEY: Final = "device-key"
_HPKE_SEED: Final = "hpke-seed"
_ECDSA_SHA256: Final = bytes.fromhex("300a06082a8648ce3d040302")
"""AlgorithmIdentifier of ecdsa-with-SHA256 (RFC 5758, section 3.2)."""


class Secrets(Protocol):
    """What keeps small secrets: a Vault."""

    def keep_secret(self, label: str, secret: bytes) -> None: ...

    def secret(self, label: str) -> bytearray:
        """Raises ArtifactUnknown."""


class SoftwareKey:
    """A `DeviceKey` in this process's memory. Hides itself from repr and pickles."""

    __slots__ = ("_private", "spki")

    def __init__(self, private: ec.EllipticCurvePrivateKey) -> None:
        self._private = private
        self.spki = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message, ec.ECDSA(hashes.SHA256()))

    def pem(self) -> bytes:
        """PKCS #8, for TLS."""
        return self._private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def __repr__(self) -> str:
        return f"SoftwareKey({hashlib.sha256(self.spki).hexdigest()[:16]}, hidden)"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is never serialised")


def device_key(attester: Attester | None, secrets: Secrets) -> tuple[DeviceKey, KeyPlace]:
    """Of the attester where it has one; else of the vault, made there at the first call."""
    own = None if attester is None else attester.key()
    if own is not None:
        return own, KeyPlace.ATTESTER
    kept = _kept(secrets, _DEVICE_KEY)
    if kept is None:
        private = ec.generate_private_key(ec.SECP256R1())
        secrets.keep_secret(_DEVICE_KEY, private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption()))
        return SoftwareKey(private), KeyPlace.VAULT
    try:
        loaded = load_der_private_key(kept, None)
    finally:
        _wipe(kept)
    assert isinstance(loaded, ec.EllipticCurvePrivateKey), "nothing else is kept there"
    return SoftwareKey(loaded), KeyPlace.VAULT


def hpke_key(secrets: Secrets, system: System) -> EnvelopePrivateKey:
    """Of 32 random bytes in the vault, made there at the first call. It is in memory while this object lives."""
    seed = _kept(secrets, _HPKE_SEED)
    if seed is None:
        seed = bytearray(system.random_bytes(SEED_SIZE))
        secrets.keep_secret(_HPKE_SEED, bytes(seed))
    try:
        return EnvelopePrivateKey.from_seed(KEM, bytes(seed))
    finally:
        _wipe(seed)


def registered(key: DeviceKey, public_key: bytes, challenge: bytes) -> DeviceHpkeKey:
    """The HPKE key, signed by the attested one over the challenge."""
    signature = key.sign(hpke_message(challenge, KEM, public_key))
    return DeviceHpkeKey(kem_id=int(KEM), public_key=public_key, signature=signature)


def certificate_request(key: DeviceKey) -> bytes:
    """PKCS #10 (RFC 2986) with an empty subject and no attributes: the service takes over nothing but the key.

    Written by hand, since the key may be one that only signs.
    """
    information = _der(0x30, b"\x02\x01\x00", b"\x30\x00", key.spki, b"\xa0\x00")
    return _der(0x30, information, _ECDSA_SHA256, _der(0x03, b"\0", key.sign(information)))


def _der(tag: int, *contents: bytes) -> bytes:
    """DER: tag, length, value (X.690, section 8.1)."""
    content = b"".join(contents)
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8)
    return bytes([tag, 0x80 | len(length)]) + length + content


def _kept(secrets: Secrets, label: str) -> bytearray | None:
    with contextlib.suppress(ArtifactUnknown):
        return secrets.secret(label)
    return None


def _wipe(secret: bytearray) -> None:
    secret[:] = bytes(len(secret))
