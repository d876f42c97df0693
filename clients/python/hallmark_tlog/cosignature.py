"""What each key type signs, and how its signature travels in a note line (signed-note, tlog-cosignature).

type  who                    signed message                                         blob in the line
0x01  log                    note text                                              64 bytes
0x04  witness (Ed25519)      `cosignature/v1`, `time <t>`, note text                u64 time, 64 bytes
0x06  log or witness         binary, see `subtree_message`                          u64 time, 2420 bytes
      (ML-DSA-44)

A signer that keeps its keys elsewhere, such as in an HSM, asks `message_to_sign` for the bytes, signs them with pure
Ed25519 or pure ML-DSA-44 (empty context), and hands the raw signature to `signature_line`.
"""

from functools import lru_cache

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

from hallmark_tlog.canonical import HASH_SIZE, MAX_SIZE
from hallmark_tlog.checkpoint import Checkpoint, parse_checkpoint
from hallmark_tlog.errors import BadSignature, FormatError
from hallmark_tlog.note import SignatureLine
from hallmark_tlog.vkey import MAX_COSIGNER_NAME_BYTES, KeyType, VerifierKey

_TIMESTAMP_SIZE = 8
_SIGNATURE_SIZES: dict[int, int] = {
    KeyType.ED25519: 64,
    KeyType.ED25519_COSIGNATURE: 64,
    KeyType.ML_DSA_44: 2420,
}


def cosignature_v1_message(text: str, *, timestamp: int) -> bytes:
    """The message of type 0x04 over a whole note text. `timestamp` is POSIX seconds."""
    _check_timestamp(timestamp)
    return f"cosignature/v1\ntime {timestamp}\n{text}".encode()


def subtree_message(*, cosigner: str, timestamp: int, origin: str, start: int, end: int, root: bytes) -> bytes:
    """The message of type 0x06 over leaves [start, end); a checkpoint has start 0 and end = size.

    `timestamp` is POSIX seconds; 0 makes no statement about time, and is the only value when start is not 0.
    Names are 1 to 255 bytes of UTF-8. Raises FormatError.
    """
    _check_timestamp(timestamp)
    if not 0 <= start <= end <= MAX_SIZE or (start == end != 0):
        raise FormatError(f"[{start}, {end}) is not a range of leaves")
    if start and timestamp:
        raise FormatError("a subtree that does not start at 0 is signed without a time")
    if len(root) != HASH_SIZE:
        raise FormatError(f"a root is {HASH_SIZE} bytes")
    return b"".join(
        (
            b"subtree/v1\n\0",
            _short(cosigner),
            timestamp.to_bytes(8, "big"),
            _short(origin),
            start.to_bytes(8, "big"),
            end.to_bytes(8, "big"),
            root,
        )
    )


def message_to_sign(key: VerifierKey, checkpoint: Checkpoint, *, timestamp: int | None) -> bytes:
    """The exact bytes `key` signs for a checkpoint. `timestamp` is POSIX seconds, None for type 0x01 only.

    Raises FormatError for a type nobody here can verify and for a timestamp that is missing or too many.
    """
    return _message(key, str(checkpoint), timestamp)


def signature_line(key: VerifierKey, signature: bytes, *, timestamp: int | None) -> SignatureLine:
    """The note line for a raw signature over `message_to_sign` with the same key and timestamp."""
    if len(signature) != _SIGNATURE_SIZES.get(key.type):
        raise FormatError(f"a signature of type {key.type:#04x} cannot have {len(signature)} bytes")
    if key.type == KeyType.ED25519:
        return SignatureLine(key.name, key.key_id, signature)
    return SignatureLine(key.name, key.key_id, _check_timestamp(timestamp).to_bytes(8, "big") + signature)


def stated_time(line: SignatureLine) -> int | None:
    """POSIX seconds that an ML-DSA-44 line states, told by its length alone; None for other lines. Not verified."""
    if len(line.blob) != _TIMESTAMP_SIZE + _SIGNATURE_SIZES[KeyType.ML_DSA_44]:
        return None
    return int.from_bytes(line.blob[:_TIMESTAMP_SIZE], "big")


def verify_signature(key: VerifierKey, text: str, blob: bytes) -> int | None:
    """Verify one line's blob over a note text; return its timestamp, None for type 0x01.

    Raises BadSignature, also for types that cannot be verified here and, with 0x06, for a text that is no checkpoint.
    """
    timestamp, signature = _split_blob(key, blob)
    try:
        message = _message(key, text, timestamp)
    except FormatError as error:
        raise BadSignature(f"{key.name} cannot have signed this text: {error}") from error
    _verify_raw(key, message, signature)
    return timestamp


def verify_subtree(key: VerifierKey, blob: bytes, *, origin: str, start: int, end: int, root: bytes) -> int:
    """Verify a type 0x06 blob over leaves [start, end); return its timestamp, 0 for none. Raises BadSignature."""
    if key.type != KeyType.ML_DSA_44:
        raise BadSignature(f"{key.name} is not an ML-DSA-44 key: it cannot sign subtrees")
    timestamp, signature = _split_blob(key, blob)
    try:
        message = subtree_message(
            cosigner=key.name, timestamp=timestamp or 0, origin=origin, start=start, end=end, root=root
        )
    except FormatError as error:
        raise BadSignature(f"{key.name} cannot have signed this subtree: {error}") from error
    _verify_raw(key, message, signature)
    return timestamp or 0


def _message(key: VerifierKey, text: str, timestamp: int | None) -> bytes:
    match key.type:
        case KeyType.ED25519:
            if timestamp is not None:
                raise FormatError("signatures of type 0x01 have no timestamp")
            return text.encode()
        case KeyType.ED25519_COSIGNATURE:
            parse_checkpoint(text)  # tlog-cosignature: a cosignature is applied to a checkpoint
            return cosignature_v1_message(text, timestamp=_check_timestamp(timestamp))
        case KeyType.ML_DSA_44:
            checkpoint = parse_checkpoint(text)
            return subtree_message(
                cosigner=key.name,
                timestamp=_check_timestamp(timestamp),
                origin=checkpoint.origin,
                start=0,
                end=checkpoint.size,
                root=checkpoint.root,
            )
        case _:
            raise FormatError(f"signatures of type {key.type:#04x} are not supported")


def _split_blob(key: VerifierKey, blob: bytes) -> tuple[int | None, bytes]:
    timed = key.type != KeyType.ED25519
    size = _SIGNATURE_SIZES.get(key.type, 0) + (_TIMESTAMP_SIZE if timed else 0)
    if len(blob) != size:
        raise BadSignature(f"a signature of {key.name} has {len(blob)} bytes, its type {key.type:#04x} has {size}")
    if not timed:
        return None, blob
    return int.from_bytes(blob[:_TIMESTAMP_SIZE], "big"), blob[_TIMESTAMP_SIZE:]


def _verify_raw(key: VerifierKey, message: bytes, signature: bytes) -> None:
    try:
        _public_key(key).verify(signature, message)
    except (InvalidSignature, ValueError) as error:
        raise BadSignature(f"a signature of {key.name} (key ID {key.key_id.hex()}) does not verify") from error


@lru_cache(maxsize=256)
def _public_key(key: VerifierKey) -> MLDSA44PublicKey | Ed25519PublicKey:
    """Raises ValueError. Unpacking an ML-DSA key costs as much as verifying with it, and a log has few keys."""
    reader = MLDSA44PublicKey if key.type == KeyType.ML_DSA_44 else Ed25519PublicKey
    return reader.from_public_bytes(key.public_key)


def _check_timestamp(timestamp: int | None) -> int:
    if timestamp is None or not 0 <= timestamp <= MAX_SIZE:
        raise FormatError("the timestamp of a cosignature is missing or not below 2^63")
    return timestamp


def _short(name: str) -> bytes:
    data = name.encode()
    if not 1 <= len(data) <= MAX_COSIGNER_NAME_BYTES:
        raise FormatError(f"a cosigner name and an origin are 1 to {MAX_COSIGNER_NAME_BYTES} bytes")
    return bytes([len(data)]) + data
