"""Private keys on their way: what they are sealed to, what came out of a service, and the files both are kept in."""

import base64
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Self

from hallmark_client.errors import InvalidArgument, VerificationFailed
from hallmark_client.model.enums import Algorithm, KeyPurpose
from hallmark_client.model.log import LogPromise
from hallmark_client.model.result import Result, rfc3339
from hallmark_client.model.signed import ServiceSignature, TrustedKeys
from hallmark_envelope import (
    EnvelopeError,
    EnvelopePrivateKey,
    HpkeKem,
    TransferAlgorithm,
    export_info,
    exported_name,
    import_info,
    seal_envelope,
)

WRAPPING_CONTEXT: Final = "hallmark/wrapping-key/v1"
_FILE_VERSION: Final = 1
_FILE_MAX: Final = 128 * 1024
_WRAPPING_KIND: Final = "wrapping-key"
_EXPORTED_KIND: Final = "exported-key"
_KEMS: Final = {
    Algorithm.HPKE_MLKEM768_X25519: HpkeKem.MLKEM768_X25519,
    Algorithm.HPKE_MLKEM1024_P384: HpkeKem.MLKEM1024_P384,
}
_CURVES: Final = {
    Algorithm.ECDSA_P256_SHA256: TransferAlgorithm.ECDSA_P256,
    Algorithm.ECDSA_P384_SHA384: TransferAlgorithm.ECDSA_P384,
}


def transfer_algorithm(algorithm: Algorithm) -> TransferAlgorithm:
    """Its name where private keys travel. Raises InvalidArgument for an algorithm of a newer server."""
    try:
        return _CURVES.get(algorithm) or TransferAlgorithm(algorithm.value)
    except ValueError:
        raise InvalidArgument("FIELD_INVALID", "keys of this algorithm do not travel") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipient(Result):
    """To whom a private key is sealed. algorithm: an HPKE one. public_key: as HPKE serialises it."""

    algorithm: Algorithm
    public_key: bytes

    @property
    def kem(self) -> HpkeKem:
        """Raises InvalidArgument."""
        if self.algorithm not in _KEMS:
            raise InvalidArgument("FIELD_INVALID", f"nothing is sealed to a key of {self.algorithm}")
        return _KEMS[self.algorithm]

    @property
    def sha256(self) -> bytes:
        """What a proposal of an export names it by, as parameters_sha256. Whoever approves computes it from their own
        copy of the recipient's key.
        """
        named = f"hallmark/export-recipient/v1\n{self.algorithm.value}\n".encode()
        return hashlib.sha256(named + self.public_key).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class VerifiedWrappingKey(Result):
    """Verified: the service says that it imports what is sealed to this key, until `not_after`."""

    name: str
    recipient: Recipient
    not_after: datetime

    def seal(self, private_key: bytes, *, algorithm: Algorithm, version: str, now: datetime) -> bytes:
        """Seal a private key here; it does not leave this program in the clear. Gives the envelope for `import_key`.

        private_key: PKCS#8 in DER, with the seed for ML-DSA and composites; the 32-byte seed of an HPKE key. version:
        full name that the imported version gets. Raises VerificationFailed (WRAPPING_KEY_EXPIRED), InvalidArgument.
        """
        if now > self.not_after:
            raise VerificationFailed("WRAPPING_KEY_EXPIRED", f"{self.name} may not be sealed to any more; ask again")
        try:
            info = import_info(algorithm=transfer_algorithm(algorithm), key_name=version)
            return seal_envelope(self.recipient.public_key, self.recipient.kem, private_key, info=info)
        except EnvelopeError as error:
            raise InvalidArgument("FIELD_INVALID", str(error)) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class WrappingKey(Result):
    """The key that private keys are sealed to, as the server says. Verify it: a false one would let others read.

    creation_event_key: log entry that says how it was made, and in which token. payload: what is signed.
    """

    name: str
    algorithm: Algorithm
    public_key: bytes
    public_key_crc32c: int
    not_after: datetime
    creation_event_key: str
    payload: bytes
    signature: ServiceSignature

    @property
    def recipient(self) -> Recipient:
        """For an export from another service straight to this one."""
        return Recipient(algorithm=self.algorithm, public_key=self.public_key)

    def verify(self, trusted_keys: TrustedKeys) -> VerifiedWrappingKey:
        """Check the signature, and that the fields repeat the signed payload.

        Raises SignatureInvalid, VerificationFailed (KEY_NOT_TRUSTED, CONTEXT_MISMATCH, WRAPPING_KEY_INVALID).
        """
        self.signature.verify(self.payload, trusted_keys, context=WRAPPING_CONTEXT)
        shown = {
            "v": 1,
            "name": self.name,
            "algorithm": self.algorithm.value,
            "public_key": base64.b64encode(self.public_key).decode(),
            "public_key_crc32c": self.public_key_crc32c,
            "not_after": self.not_after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "creation_event_key": self.creation_event_key,
        }
        if not hmac.compare_digest(_canonical(shown), self.payload) or self.algorithm not in _KEMS:
            raise VerificationFailed("WRAPPING_KEY_INVALID", "the key's fields say something else than what is signed")
        return VerifiedWrappingKey(name=self.name, recipient=self.recipient, not_after=self.not_after)

    def to_bytes(self) -> bytes:
        """As a file, for whoever exports to this service; `read_recipient` reads it."""
        return _file(
            _WRAPPING_KIND,
            {
                "name": self.name,
                "algorithm": self.algorithm.value,
                "public_key": base64.b64encode(self.public_key).decode(),
                "not_after": rfc3339(self.not_after),
            },
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedKey(Result):
    """A private key, sealed to the recipient of an approved proposal.

    name: the version, at the service it came from. public_key: raw. sealed_to: name of the wrapping key, for files; it
    says where to import it and is no proof. log, replayed: only on the answer of `export`.
    """

    name: str
    algorithm: Algorithm
    purpose: KeyPurpose
    public_key: bytes
    envelope: bytes
    sealed_to: str = ""
    log: LogPromise | None = None
    replayed: bool = False

    def open(self, key: EnvelopePrivateKey) -> bytes:
        """For a recipient that is no service: the private key in the clear, PKCS#8 in DER (HPKE: the 32-byte seed).

        Raises hallmark_envelope.EnvelopeInvalid.
        """
        name = exported_name(self.name, self.purpose.value)
        info = export_info(algorithm=transfer_algorithm(self.algorithm), key_name=name)
        return key.open(self.envelope, info=info)

    def to_bytes(self) -> bytes:
        """As a file, for whoever imports it."""
        return _file(
            _EXPORTED_KIND,
            {
                "name": self.name,
                "algorithm": self.algorithm.value,
                "purpose": self.purpose.value,
                "public_key": base64.b64encode(self.public_key).decode(),
                "envelope": base64.b64encode(self.envelope).decode(),
                "sealed_to": self.sealed_to,
            },
        )

    @classmethod
    def from_bytes(cls, content: bytes) -> Self:
        """Raises InvalidArgument (KEY_FILE_INVALID), whatever the bytes."""
        document = _read_file(content, _EXPORTED_KIND)
        try:
            return cls(
                name=_text(document["name"]),
                algorithm=Algorithm(document["algorithm"]),
                purpose=KeyPurpose(document["purpose"]),
                public_key=_bytes(document["public_key"]),
                envelope=_bytes(document["envelope"]),
                sealed_to=_text(document["sealed_to"]),
            )
        except (KeyError, TypeError, ValueError):
            raise _not_such_a_file(_EXPORTED_KIND) from None


def read_recipient(content: bytes) -> tuple[str, Recipient]:
    """From the file of a wrapping key: its name and whom it seals to. Raises InvalidArgument (KEY_FILE_INVALID)."""
    document = _read_file(content, _WRAPPING_KIND)
    try:
        recipient = Recipient(algorithm=Algorithm(document["algorithm"]), public_key=_bytes(document["public_key"]))
        return _text(document["name"]), recipient
    except (KeyError, TypeError, ValueError):
        raise _not_such_a_file(_WRAPPING_KIND) from None


def _file(kind: str, members: dict[str, Any]) -> bytes:
    return json.dumps({"hallmark": kind, "v": _FILE_VERSION, **members}, indent=1).encode() + b"\n"


def _read_file(content: bytes, kind: str) -> dict[str, Any]:
    try:
        document: Any = json.loads(content) if len(content) <= _FILE_MAX else None
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and (document.get("hallmark"), document.get("v")) == (kind, _FILE_VERSION):
        return document
    raise _not_such_a_file(kind)


def _not_such_a_file(kind: str) -> InvalidArgument:
    return InvalidArgument("KEY_FILE_INVALID", f"this is no file with {'an' if kind[0] == 'e' else 'a'} {kind}")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError("not a string")
    return value


def _bytes(value: object) -> bytes:
    return base64.b64decode(_text(value), validate=True)


def _canonical(value: dict[str, Any]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
