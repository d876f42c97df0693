"""The wire of C2SP tlog-witness, as its client: what to POST to `<submission prefix>/add-checkpoint`, and what it says.

    request = AddCheckpointRequest(old_size, proof, keep_lines(note, log_vkeys))
    ... POST bytes(request) ...
    match read_answer(status, content_type, body, text=note_text, vkeys=witness_vkeys):
        case Cosigned(lines): append the lines to the checkpoint
        case SizeConflict(size): once more, with a proof from `size`
        case TryLater(): this says nothing about the log
        case Refused(reason): see Refusal

A witness that is asked for the first time may be asked with old size 0 and an empty proof: it answers with its size.
No I/O here; `witness_server` is the other side.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus

from hallmark_tlog.canonical import (
    HASH_SIZE,
    MAX_SIZE,
    decode_decimal,
    decode_hash,
    encode_base64,
)
from hallmark_tlog.errors import BadSignature, FormatError, NotSigned, TlogError
from hallmark_tlog.note import MAX_NOTE_BYTES, Note, SignatureLine, parse_note
from hallmark_tlog.verify import Signer, verified_lines
from hallmark_tlog.vkey import KeyType, VerifierKey

MAX_PROOF_HASHES = 63
MAX_REQUEST_BYTES = MAX_NOTE_BYTES + 4_096
MAX_ANSWER_BYTES = 65_536
"""Read no more of an answer: twenty ML-DSA-44 lines, far above what a witness sends."""

SIZE_TYPE = "text/x.tlog.size"

_COSIGNER_TYPES = (KeyType.ED25519_COSIGNATURE, KeyType.ML_DSA_44)


@dataclass(frozen=True, slots=True)
class AddCheckpointRequest:
    """`proof` is the consistency proof from `old_size`, lowest hash first; `checkpoint` the signed note, verbatim."""

    old_size: int
    proof: tuple[bytes, ...]
    checkpoint: bytes

    def __post_init__(self) -> None:
        if not 0 <= self.old_size <= MAX_SIZE or len(self.proof) > MAX_PROOF_HASHES:
            raise FormatError(f"a request has an old size below 2^63 and at most {MAX_PROOF_HASHES} hashes")
        if any(len(value) != HASH_SIZE for value in self.proof):
            raise FormatError(f"the hashes of a request are {HASH_SIZE} bytes")
        if not 1 <= len(self.checkpoint) <= MAX_NOTE_BYTES:
            raise FormatError("a request has a checkpoint")

    def __bytes__(self) -> bytes:
        """The body of the POST."""
        lines = (f"old {self.old_size}", *map(encode_base64, self.proof), "")
        return "".join(f"{line}\n" for line in lines).encode() + self.checkpoint


@dataclass(frozen=True, slots=True)
class Cosigned:
    """Status 200: the witness's lines for the checkpoint, each verified, at least one."""

    lines: tuple[tuple[SignatureLine, Signer], ...]


@dataclass(frozen=True, slots=True)
class SizeConflict:
    """Status 409: the witness has cosigned this size last, not the old size of the request."""

    size: int


@dataclass(frozen=True, slots=True)
class TryLater:
    """The witness is busy or broken. Some answer 500 where 403 and 404 are right: it says nothing about the log."""

    status: int


class Refusal(Enum):
    """Why a witness refused. The value is the status, 0 for any answer that the protocol does not have."""

    BAD_REQUEST = HTTPStatus.BAD_REQUEST
    """The body is malformed, or the checkpoint is smaller than the old size."""
    NO_LOG_SIGNATURE = HTTPStatus.FORBIDDEN
    """No key that the witness has for this log signed the checkpoint."""
    UNKNOWN_LOG = HTTPStatus.NOT_FOUND
    INCONSISTENT = HTTPStatus.UNPROCESSABLE_ENTITY
    """The proof does not hold, or the witness has another root for the size: of all, the one to look into."""
    UNREADABLE = 0


@dataclass(frozen=True, slots=True)
class Refused:
    """`problem` is one line for people."""

    reason: Refusal
    problem: str


Answer = Cosigned | SizeConflict | TryLater | Refused


def parse_add_checkpoint(data: bytes) -> AddCheckpointRequest:
    """Read the body of a request; the checkpoint stays unread. Raises FormatError."""
    if len(data) > MAX_REQUEST_BYTES:
        raise FormatError(f"a request is larger than {MAX_REQUEST_BYTES} bytes")
    head, divider, checkpoint = data.partition(b"\n\n")
    if not divider or not head.isascii() or head.count(b"\n") > MAX_PROOF_HASHES:
        raise FormatError("a request is an old size, hashes, an empty line and a checkpoint")
    old, *hashes = head.decode("ascii").split("\n")
    if not old.startswith("old "):
        raise FormatError("a request does not begin with its old size")
    return AddCheckpointRequest(
        old_size=decode_decimal(old.removeprefix("old "), what="the old size of a request"),
        proof=tuple(decode_hash(line, what="a hash of a request") for line in hashes),
        checkpoint=checkpoint,
    )


def keep_lines(note: bytes, vkeys: Iterable[VerifierKey]) -> bytes:
    """The note with the lines of these keys only: give the log's own, so that the body stays small.

    Witnesses cap what they read (some at 16 KiB, which a few ML-DSA-44 lines of other witnesses fill). For a witness
    that knows Ed25519 alone, give the log's 0x01 key alone. Raises NotSigned when no line is left, FormatError.
    """
    kept = {(key.name, key.key_id) for key in vkeys}
    parsed = parse_note(note)
    lines = tuple(line for line in parsed.signatures if (line.name, line.key_id) in kept)
    if not lines:
        raise NotSigned("none of these keys has a line in the note")
    return bytes(Note(parsed.text, lines))


def read_answer(
    status: int, content_type: str | None, body: bytes, *, text: str, vkeys: Sequence[VerifierKey]
) -> Answer:
    """What a witness with these keys answered to the checkpoint `text` (the note without lines). Never raises."""
    try:
        match status:
            case HTTPStatus.OK:
                return Cosigned(parse_cosignatures(body, text, vkeys))
            case HTTPStatus.CONFLICT if _media_type(content_type) == SIZE_TYPE:
                return SizeConflict(parse_size_conflict(status, content_type, body))
            case HTTPStatus.CONFLICT:
                # tlog-witness 1.0.0 has 409 for another root of the same size, where 422 came later.
                reason = Refusal.INCONSISTENT
            case HTTPStatus.REQUEST_TIMEOUT | HTTPStatus.TOO_MANY_REQUESTS:
                return TryLater(status)
            case _ if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return TryLater(status)
            case _:
                reason = Refusal(status)
    except (TlogError, ValueError) as error:
        return Refused(Refusal.UNREADABLE, f"status {status}: {error}")
    return Refused(reason, _printable(body) or reason.name)


def parse_cosignatures(
    body: bytes, text: str, vkeys: Sequence[VerifierKey]
) -> tuple[tuple[SignatureLine, Signer], ...]:
    """Verify the cosignatures that these keys (types 0x04 and 0x06) made over the checkpoint `text`.

    Lines of other keys are left out. Raises BadSignature for a bad line of a given key and for one without a time,
    NotSigned when no given key has a line, FormatError.
    """
    if len(body) > MAX_ANSWER_BYTES:
        raise FormatError(f"an answer of a witness is larger than {MAX_ANSWER_BYTES} bytes")
    # tlog-witness: put behind the checkpoint, the lines make a note.
    note = parse_note(text.encode() + b"\n" + body)
    if note.text != text:
        raise FormatError("an answer of a witness has an empty line")
    lines = verified_lines(note, [key for key in vkeys if key.type in _COSIGNER_TYPES])
    if not lines:
        raise NotSigned("the answer has no line of the witness")
    for _, signer in lines:
        if not signer.timestamp:
            raise BadSignature(f"the cosignature of {signer.name} has no time: it is no witness's")
    return lines


def parse_size_conflict(status: int, content_type: str | None, body: bytes) -> int:
    """The size that a 409 says the witness cosigned last. Raises FormatError for any other answer."""
    media_type = _media_type(content_type)
    if status != HTTPStatus.CONFLICT or media_type != SIZE_TYPE:
        raise FormatError(f"status {status} with {media_type or 'no type'} does not say a size")
    line, newline, rest = body[:MAX_ANSWER_BYTES].partition(b"\n")
    if not newline or rest or not line.isascii():
        raise FormatError("a size is one line")
    return decode_decimal(line.decode("ascii"), what="the size a witness says")


def _media_type(content_type: str | None) -> str:
    return (content_type or "").partition(";")[0].strip().lower()


def _printable(body: bytes) -> str:
    line = body[:200].decode("utf-8", "replace").partition("\n")[0]
    return "".join(character if character.isprintable() else "?" for character in line)
