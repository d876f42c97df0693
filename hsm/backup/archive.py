"""The file format: who it is for in clear, the rest sealed.

A line "hallmark-backup-v1", then header || envelope || chunks
header     4-byte big-endian length, CBOR map: created_at (RFC 3339), token_serial, token_label, kem (HPKE id),
           recovery_key_sha256
envelope   2-byte big-endian length, HPKE envelope of a fresh AES-256 key; its info is all bytes before it
chunks     AES-256-GCM of 1 MiB each of the payload, nonce = 11-byte big-endian counter || 1 for the last, else 0
           (STREAM, eprint.iacr.org/2015/189: a cut, repeated or moved chunk does not open)
payload    CBOR array of [path, bytes]
"""

import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import cbor2
import cryptography.exceptions
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from hallmark_envelope import EnvelopeError, EnvelopePrivateKey, HpkeKem, seal_envelope
from hsm.errors import BackupInvalid, InvalidRequest

MAX_FILES: Final = 200_000
MAX_PAYLOAD_BYTES: Final = 1 << 28
_MAGIC: Final = b"hallmark-backup-v1\n"
_CHUNK_SIZE: Final = 1 << 20
_TAG_SIZE: Final = 16
_KEY_SIZE: Final = 32
_MAX_HEADER_BYTES: Final = 4096
_HEADER: Final = {
    "created_at": str,
    "token_serial": str,
    "token_label": str,
    "kem": int,
    "recovery_key_sha256": bytes,
}
Files = dict[str, bytes]
"""Path below the data folder, with "/", and content."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFacts:
    """What anybody can read of a backup."""

    created_at: datetime
    token_serial: str
    token_label: str
    recovery_kem: HpkeKem
    recovery_key_sha256: bytes
    """SHA-256 of the recovery public key it is sealed to."""


def seal_archive(
    files: Files, facts: BackupFacts, recovery_public_key: bytes, random_bytes: Callable[[int], bytes]
) -> bytes:
    """Raises InvalidRequest for a recovery key that is none, or a token that is too large."""
    payload = cbor2.dumps([[path, content] for path, content in sorted(files.items())])
    if len(payload) > MAX_PAYLOAD_BYTES or len(files) > MAX_FILES:
        raise InvalidRequest("the token is too large for one backup")
    head = _MAGIC + _encode_header(facts)
    key = random_bytes(_KEY_SIZE)
    try:
        envelope = seal_envelope(recovery_public_key, facts.recovery_kem, key, info=hashlib.sha256(head).digest())
    except EnvelopeError as error:
        raise InvalidRequest(f"the recovery key: {error}") from None
    sealer = AESGCM(key)
    chunks = [payload[start : start + _CHUNK_SIZE] for start in range(0, len(payload), _CHUNK_SIZE)]
    sealed = [
        sealer.encrypt(_nonce(number, last=number == len(chunks) - 1), chunk, None)
        for number, chunk in enumerate(chunks)
    ]
    return b"".join((head, len(envelope).to_bytes(2, "big"), envelope, *sealed))


def read_facts(archive: bytes) -> BackupFacts:
    """Unverified, until the archive is opened. Raises BackupInvalid."""
    return _read_head(archive)[0]


def open_archive(archive: bytes, recovery_key: EnvelopePrivateKey) -> tuple[BackupFacts, Files]:
    """Raises BackupInvalid: another recovery key, or changed bytes."""
    facts, end = _read_head(archive)
    if facts.recovery_key_sha256 != hashlib.sha256(recovery_key.public_key).digest():
        raise BackupInvalid("this backup was made for another recovery key")
    size = int.from_bytes(archive[end : end + 2], "big")
    envelope, body = archive[end + 2 : end + 2 + size], archive[end + 2 + size :]
    if len(body) > MAX_PAYLOAD_BYTES + _TAG_SIZE * (MAX_PAYLOAD_BYTES // _CHUNK_SIZE + 1):
        raise BackupInvalid("this backup is too large")
    try:
        key = recovery_key.open(envelope, info=hashlib.sha256(archive[:end]).digest())
        payload = _open_chunks(AESGCM(key), body)
    except (EnvelopeError, ValueError, cryptography.exceptions.InvalidTag):
        raise BackupInvalid("this backup was changed since it was made, or is cut short") from None
    return facts, _decode_payload(payload)


def _encode_header(facts: BackupFacts) -> bytes:
    header = cbor2.dumps(
        {
            "created_at": facts.created_at.isoformat(timespec="seconds"),
            "token_serial": facts.token_serial,
            "token_label": facts.token_label,
            "kem": int(facts.recovery_kem),
            "recovery_key_sha256": facts.recovery_key_sha256,
        }
    )
    return len(header).to_bytes(4, "big") + header


def _read_head(archive: bytes) -> tuple[BackupFacts, int]:
    """(facts, where the envelope's length stands)."""
    start = len(_MAGIC) + 4
    size = int.from_bytes(archive[len(_MAGIC) : start], "big")
    if not archive.startswith(_MAGIC) or size > _MAX_HEADER_BYTES or len(archive) < start + size:
        raise BackupInvalid("this is not a backup of a token, or one of a later version")
    header = _decode(archive[start : start + size])
    if not isinstance(header, dict) or {name: type(value) for name, value in header.items()} != _HEADER:
        raise BackupInvalid("the backup's header is damaged")
    try:
        facts = BackupFacts(
            created_at=datetime.fromisoformat(header["created_at"]),
            token_serial=header["token_serial"],
            token_label=header["token_label"],
            recovery_kem=HpkeKem(header["kem"]),
            recovery_key_sha256=header["recovery_key_sha256"],
        )
    except ValueError:
        raise BackupInvalid("the backup's header is damaged") from None
    return facts, start + size


def _open_chunks(opener: AESGCM, body: bytes) -> bytes:
    sealed_size = _CHUNK_SIZE + _TAG_SIZE
    chunks = [body[start : start + sealed_size] for start in range(0, len(body), sealed_size)]
    if not chunks:
        raise ValueError("cut short")
    return b"".join(
        opener.decrypt(_nonce(number, last=number == len(chunks) - 1), chunk, None)
        for number, chunk in enumerate(chunks)
    )


def _decode_payload(payload: bytes) -> Files:
    entries = _decode(payload)
    if not isinstance(entries, list) or len(entries) > MAX_FILES:
        raise BackupInvalid("the backup's content is damaged")
    files: Files = {}
    for entry in entries:
        match entry:
            case [str() as path, bytes() as content]:
                files[path] = content
            case _:
                raise BackupInvalid("the backup's content is damaged")
    return files


def _decode(data: bytes) -> Any:
    stream = io.BytesIO(data)
    try:
        value = cbor2.CBORDecoder(stream).decode()
    except Exception:  # whatever the decoder raises on foreign bytes, here it means one thing
        raise BackupInvalid("the backup is damaged") from None
    if stream.read(1):
        raise BackupInvalid("the backup is damaged")
    return value


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
