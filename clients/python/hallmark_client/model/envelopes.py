"""Envelopes: which key to seal to, what was sealed, what came out."""

import base64
import hmac
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Self

from hallmark_client.errors import InvalidArgument, VerificationFailed
from hallmark_client.model.enums import Algorithm
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result
from hallmark_client.model.signed import ServiceSignature, TrustedKeys
from hallmark_envelope import AEAD_ID, KDF_ID, MAX_ENVELOPE_SIZE, HpkeKem, MalformedInput, MalformedKey, seal_envelope

ENVELOPE_KEY_CONTEXT: Final = "hallmark/envelope-key/v1"
_FILE_VERSION: Final = 1
_FILE_MAX: Final = MAX_ENVELOPE_SIZE * 4 // 3 + 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedEnvelope(Result):
    """An envelope and what it takes to open it: the version it was sealed to, the HPKE suite, enc || ciphertext.

    The info is not in it: whoever opens it must know what it is for.
    """

    key_version: str
    kem_id: int
    kdf_id: int
    aead_id: int
    envelope: bytes

    def to_bytes(self) -> bytes:
        """As a file: JSON, the envelope in base64."""
        document = {
            "v": _FILE_VERSION,
            "key_version": self.key_version,
            "kem_id": self.kem_id,
            "kdf_id": self.kdf_id,
            "aead_id": self.aead_id,
            "envelope": base64.b64encode(self.envelope).decode(),
        }
        return json.dumps(document, indent=1).encode() + b"\n"

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises InvalidArgument (ENVELOPE_FILE_INVALID), whatever the bytes."""
        document = _read_file(content)
        return cls(
            key_version=document["key_version"],
            kem_id=document["kem_id"],
            kdf_id=document["kdf_id"],
            aead_id=document["aead_id"],
            envelope=document["envelope"],
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SealingKey(Result):
    """Verified: the service says that this is the key to seal to, until `not_after`."""

    key_version: str
    kem: HpkeKem
    public_key: bytes
    not_after: datetime

    def seal(self, plaintext: bytes, *, info: bytes = b"", now: datetime) -> SealedEnvelope:
        """Seal here; nothing leaves this program. info: at most 1,024 bytes, binds the envelope to its use.

        Raises VerificationFailed (ENVELOPE_KEY_EXPIRED: get the key again; PUBLIC_KEY_INVALID), InvalidArgument.
        """
        if now > self.not_after:
            raise VerificationFailed(
                "ENVELOPE_KEY_EXPIRED", f"{self.key_version} may not be sealed to any more; get the key again"
            )
        try:
            envelope = seal_envelope(self.public_key, self.kem, plaintext, info=info)
        except MalformedKey as error:
            raise VerificationFailed("PUBLIC_KEY_INVALID", f"the key {self.key_version}: {error}") from error
        except MalformedInput as error:
            raise InvalidArgument("MESSAGE_TOO_LARGE", str(error)) from error
        return SealedEnvelope(
            key_version=self.key_version, kem_id=int(self.kem), kdf_id=KDF_ID, aead_id=AEAD_ID, envelope=envelope
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvelopeKey(Result):
    """The key to seal to, as the server says. Verify it before use: a false one would let somebody else read.

    name: the version, the epoch. public_key: as HPKE serialises it. not_after: seal to it until then; it opens longer.
    """

    name: str
    algorithm: Algorithm
    kem_id: int
    kdf_id: int
    aead_id: int
    public_key: bytes
    public_key_crc32c: int
    not_after: datetime
    payload: bytes
    signature: ServiceSignature

    def verify(self, trusted_keys: TrustedKeys) -> SealingKey:
        """Check the signature, that the fields repeat the signed payload, and that the suite is one we know.

        Raises SignatureInvalid, or VerificationFailed (KEY_NOT_TRUSTED, CONTEXT_MISMATCH, ENVELOPE_KEY_INVALID).
        """
        self.signature.verify(self.payload, trusted_keys, context=ENVELOPE_KEY_CONTEXT)
        shown = {
            "v": 1,
            "name": self.name,
            "algorithm": self.algorithm.value,
            "kem_id": self.kem_id,
            "kdf_id": self.kdf_id,
            "aead_id": self.aead_id,
            "public_key": base64.b64encode(self.public_key).decode(),
            "public_key_crc32c": self.public_key_crc32c,
            "not_after": self.not_after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        if not hmac.compare_digest(_canonical(shown), self.payload):
            raise VerificationFailed("ENVELOPE_KEY_INVALID", "the key's fields say something else than what is signed")
        if self.kem_id not in set(HpkeKem) or (self.kdf_id, self.aead_id) != (KDF_ID, AEAD_ID):
            raise VerificationFailed("ENVELOPE_KEY_INVALID", "the key is for an HPKE suite that this release has not")
        return SealingKey(
            key_version=self.name, kem=HpkeKem(self.kem_id), public_key=self.public_key, not_after=self.not_after
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedEnvelope(Result):
    """What was inside, and where the opening stands in the log."""

    plaintext: bytes = field(repr=False)
    log: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class DataKey(Result):
    """An AES-256 key. Encrypt with `plaintext` (32 bytes) and forget it; keep `envelope` and open it when needed."""

    plaintext: bytes = field(repr=False)
    envelope: bytes
    key_version: str
    log: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class Shredding(Result):
    """The epoch's private key is destroyed: what was sealed to it is gone for ever. `log` proves it."""

    shred_time: datetime
    log: LogPromise
    replayed: bool = False


_FILE_FIELDS: Final[dict[str, type]] = {
    "key_version": str,
    "kem_id": int,
    "kdf_id": int,
    "aead_id": int,
    "envelope": str,
}


def _read_file(content: bytes) -> dict[str, Any]:
    try:
        document: Any = json.loads(content) if len(content) <= _FILE_MAX else None
        known = isinstance(document, dict) and document.get("v") == _FILE_VERSION
        if known and all(type(document.get(name)) is kind for name, kind in _FILE_FIELDS.items()):
            return {**document, "envelope": base64.b64decode(document["envelope"], validate=True)}
    except (ValueError, RecursionError):
        pass
    raise InvalidArgument("ENVELOPE_FILE_INVALID", "this is no file with a sealed envelope")


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
