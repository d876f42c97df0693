"""The old attestation, with a signature that is what its label says, over everything in it.

ML-DSA (FIPS 204) with a key that is derived from the identity's private key. It says who signed, not that there is
hardware: for that, a device registers with evidence of its platform (hallmark_client.device.life, docs/attestation.md).
"""

import json
import weakref
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Final, Protocol, Self, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import mldsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from .errors import AttestationError

LIFETIME_SECONDS: Final = 300
_SEED: Final = 32
_CONTEXT: Final = b"hallmark/pqc-enclave-sdk-attestation/v1"
_NOBODY: Final[Mapping[str, str]] = MappingProxyType({})

_PrivateKey: TypeAlias = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
_PublicKey: TypeAlias = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
_PRIVATE: Final[Mapping[str, type[_PrivateKey]]] = {
    "ML-DSA-44": mldsa.MLDSA44PrivateKey,
    "ML-DSA-65": mldsa.MLDSA65PrivateKey,
    "ML-DSA-87": mldsa.MLDSA87PrivateKey,
}
_PUBLIC: Final[Mapping[str, type[_PublicKey]]] = {
    "ML-DSA-44": mldsa.MLDSA44PublicKey,
    "ML-DSA-65": mldsa.MLDSA65PublicKey,
    "ML-DSA-87": mldsa.MLDSA87PublicKey,
}


class Algorithm(Protocol):
    @property
    def value(self) -> str: ...


class SigningKeypair(Protocol):
    """private_key: secret bytes of any length; 32 or more of them random."""

    @property
    def private_key(self) -> bytes: ...
    @property
    def algorithm(self) -> Algorithm: ...


class Identity(Protocol):
    """quantumshield's AgentIdentity is one."""

    @property
    def did(self) -> str: ...
    @property
    def signing_keypair(self) -> SigningKeypair: ...


@dataclass
class DeviceAttestation:
    """issued_at, expires_at: RFC 3339. signature, public_key: hex. nonce: of whoever asked for it."""

    device_id: str
    device_model: str
    enclave_vendor: str
    artifact_id: str
    artifact_content_hash: str
    issued_at: str
    signer_did: str = ""
    algorithm: str = ""
    signature: str = ""
    public_key: str = ""
    nonce: str = ""
    expires_at: str = ""

    def canonical_bytes(self) -> bytes:
        """What is signed: everything but the signature."""
        told = {name: value for name, value in asdict(self).items() if name != "signature"}
        return json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Self:
        return cls(**data)


class DeviceAttester:
    """identity: whose private key the ML-DSA key is derived from, by its algorithm's name (ML-DSA-44, -65 or -87)."""

    def __init__(
        self,
        identity: Identity,
        device_id: str,
        device_model: str,
        enclave_vendor: str,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.identity = identity
        self.device_id = device_id
        self.device_model = device_model
        self.enclave_vendor = enclave_vendor
        self._now = now
        self._algorithm = identity.signing_keypair.algorithm.value
        self._key = _derived(self._algorithm, identity.signing_keypair.private_key)
        self.public_key: Final = self._key.public_key().public_bytes_raw().hex()
        """To be given to verifiers, from a safe place: `trusted={did: public_key}`."""
        _here.add(self)

    def attest(self, artifact_id: str, content_hash: str, nonce: str = "") -> DeviceAttestation:
        """nonce: of the verifier; without one only this process believes it."""
        now = self._now()
        made = DeviceAttestation(
            device_id=self.device_id,
            device_model=self.device_model,
            enclave_vendor=self.enclave_vendor,
            artifact_id=artifact_id,
            artifact_content_hash=content_hash,
            issued_at=now.isoformat(),
            signer_did=self.identity.did,
            algorithm=self._algorithm,
            public_key=self.public_key,
            nonce=nonce,
            expires_at=(now + timedelta(seconds=LIFETIME_SECONDS)).isoformat(),
        )
        made.signature = self._key.sign(made.canonical_bytes(), _CONTEXT).hex()
        return made

    @staticmethod
    def verify(
        attestation: DeviceAttestation,
        *,
        trusted: Mapping[str, str] = _NOBODY,
        nonce: str = "",
        now: datetime | None = None,
    ) -> bool:
        """The old answer; `verify_or_raise` says why not."""
        try:
            DeviceAttester.verify_or_raise(attestation, trusted=trusted, nonce=nonce, now=now)
        except AttestationError:
            return False
        return True

    @staticmethod
    def verify_or_raise(
        attestation: DeviceAttestation,
        *,
        trusted: Mapping[str, str] = _NOBODY,
        nonce: str = "",
        now: datetime | None = None,
    ) -> None:
        """trusted: public keys by DID; with it, the nonce that was sent is needed. Without it only the attesters that
        live in this process are known: the key inside the message proves nothing. Raises AttestationError.
        """
        if trusted and not nonce:
            raise AttestationError(
                "without a nonce of yours an old attestation can not be told from a new one: send one"
            )
        known = trusted or {each.identity.did: each.public_key for each in _here}
        if known.get(attestation.signer_did) != attestation.public_key:
            raise AttestationError(
                f"{attestation.signer_did!r} with this key is not trusted: give trusted={{did: key}}"
            )
        if nonce and attestation.nonce != nonce:
            raise AttestationError("it answers another question: its nonce is not the one that was sent")
        _check_signature(attestation)
        _check_time(attestation, now or datetime.now(UTC))


_here: "weakref.WeakSet[DeviceAttester]" = weakref.WeakSet()


def _derived(algorithm: str, private_key: bytes) -> _PrivateKey:
    if algorithm not in _PRIVATE:
        raise AttestationError(f"{algorithm} is not offered: {', '.join(_PRIVATE)}")
    seed = HKDF(SHA256(), _SEED, salt=None, info=_CONTEXT + b"\n" + algorithm.encode()).derive(private_key)
    return _PRIVATE[algorithm].from_seed_bytes(seed)


def _check_signature(attestation: DeviceAttestation) -> None:
    try:
        key = _PUBLIC[attestation.algorithm].from_public_bytes(bytes.fromhex(attestation.public_key))
        key.verify(bytes.fromhex(attestation.signature), attestation.canonical_bytes(), _CONTEXT)
    except (InvalidSignature, KeyError, ValueError, TypeError) as error:
        raise AttestationError("the signature is not of this content, key and algorithm") from error


def _check_time(attestation: DeviceAttestation, now: datetime) -> None:
    try:
        is_current = (
            datetime.fromisoformat(attestation.issued_at) <= now < datetime.fromisoformat(attestation.expires_at)
        )
    except (ValueError, TypeError) as error:
        raise AttestationError("it does not say when it was made and until when it holds") from error
    if not is_current:
        raise AttestationError(f"it holds from {attestation.issued_at} to {attestation.expires_at}, not now")
