"""Two signed checkpoints that cannot both be true, kept so that anybody can be convinced later.

The file is JSON, UTF-8:

{"format": "hallmark-fork-evidence/v1",
 "notes": [{"seen_at": "<where>", "note": "<signed checkpoint, verbatim>"}, {...}],
 "prefix": {"size": 300, "root": "<base64>", "proof": ["<base64>", ...]}}

Same size, different roots: the notes alone are the proof. Different sizes: `prefix` proves by RFC 9162 section 2.1.4
which root the larger tree had at the smaller size, and the smaller note says another one. `prefix` is null where the
log did not serve the tiles that show it: then a witness or another copy has to.
"""

import json
from dataclasses import dataclass

from hallmark_tlog.acceptance import Accept
from hallmark_tlog.canonical import MAX_SIZE, check_characters, decode_hash, encode_base64
from hallmark_tlog.checkpoint import Checkpoint
from hallmark_tlog.consistency import Prefix, prefix_of
from hallmark_tlog.errors import ForkError, FormatError, OriginMismatch, TlogError
from hallmark_tlog.merkle import ReadHash, verify_consistency
from hallmark_tlog.note import MAX_NOTE_BYTES

FORMAT = "hallmark-fork-evidence/v1"
MAX_EVIDENCE_BYTES = 3 * MAX_NOTE_BYTES
_MAX_PROOF_HASHES = 64
_MAX_PLACE_CHARACTERS = 2_000


@dataclass(frozen=True, slots=True)
class SeenNote:
    """A signed checkpoint and where it was seen: a URL, a folder, the auditor's own file."""

    seen_at: str
    note: bytes


@dataclass(frozen=True, slots=True)
class ForkEvidence:
    """Not verified by itself: see `verify_fork`."""

    first: SeenNote
    second: SeenNote
    prefix: Prefix | None = None

    def __bytes__(self) -> bytes:
        prefix = self.prefix
        document = {
            "format": FORMAT,
            "notes": [{"seen_at": seen.seen_at, "note": seen.note.decode()} for seen in (self.first, self.second)],
            "prefix": prefix
            and {
                "size": prefix.size,
                "root": encode_base64(prefix.root),
                "proof": [encode_base64(value) for value in prefix.proof],
            },
        }
        return (json.dumps(document, indent=1, ensure_ascii=False) + "\n").encode()


@dataclass(frozen=True, slots=True)
class ProvedFork:
    """Both signed for the same log; `larger` does not begin with `smaller`, or has another root at the same size."""

    smaller: Checkpoint
    larger: Checkpoint


def collect_evidence(first: SeenNote, second: SeenNote, accept: Accept, read_hash: ReadHash | None) -> ForkEvidence:
    """`read_hash`: of the larger tree. What cannot be shown from its tiles is left out. Raises what `accept` does."""
    smaller, larger = sorted((accept(seen.note).checkpoint for seen in (first, second)), key=lambda found: found.size)
    prefix = None
    if read_hash is not None and smaller.size < larger.size:
        try:
            prefix = prefix_of(larger, smaller.size, read_hash)
        except TlogError:  # the notes are worth keeping also without it
            prefix = None
    return ForkEvidence(first, second, prefix)


def parse_evidence(data: bytes) -> ForkEvidence:
    """Raises FormatError."""
    if len(data) > MAX_EVIDENCE_BYTES:
        raise FormatError(f"evidence of a fork is larger than {MAX_EVIDENCE_BYTES} bytes")
    try:
        match json.loads(data):
            case {"format": str(name), "notes": [first, second], "prefix": prefix, **rest} if (
                name == FORMAT and not rest
            ):
                return ForkEvidence(_note(first), _note(second), _prefix(prefix))
            case _:
                raise FormatError(f"this is not {FORMAT}")
    except (ValueError, RecursionError) as error:
        raise FormatError("evidence of a fork is not JSON") from error


def verify_fork(evidence: ForkEvidence, accept: Accept) -> ProvedFork:
    """The two notes are signed and contradict each other.

    Raises ForkError when they do not, or when it is not proved; FormatError, SignatureError, OriginMismatch.
    """
    first, second = (accept(seen.note).checkpoint for seen in (evidence.first, evidence.second))
    if first.origin != second.origin:
        raise OriginMismatch(f"one is a checkpoint of {first.origin!r}, the other of {second.origin!r}")
    smaller, larger = sorted((first, second), key=lambda found: found.size)
    if smaller.size == larger.size:
        if smaller.root == larger.root:
            raise ForkError(f"both checkpoints have the same root at size {larger.size}: this is no fork")
        return ProvedFork(smaller, larger)
    prefix = evidence.prefix
    if prefix is None or prefix.size != smaller.size:
        raise ForkError("nothing shows which root the larger tree had at the smaller size: no fork is proved")
    verify_consistency(prefix.size, prefix.root, larger.size, larger.root, prefix.proof)
    if prefix.root == smaller.root:
        raise ForkError(f"the tree of size {larger.size} begins with the one of size {smaller.size}: this is no fork")
    return ProvedFork(smaller, larger)


def _note(value: object) -> SeenNote:
    match value:
        case {"seen_at": str(place), "note": str(note), **rest} if not rest and len(place) <= _MAX_PLACE_CHARACTERS:
            check_characters(place + note, what="a note in the evidence")  # no lone surrogates, above all
            return SeenNote(place, note.encode())
        case _:
            raise FormatError("a note in the evidence has `seen_at` and `note`")


def _prefix(value: object) -> Prefix | None:
    match value:
        case None:
            return None
        case {"size": int(size), "root": str(root), "proof": [*hashes], **rest} if (
            not rest and type(size) is int and 0 <= size <= MAX_SIZE and len(hashes) <= _MAX_PROOF_HASHES
        ):
            return Prefix(size, _hash(root), tuple(map(_hash, hashes)))
        case _:
            raise FormatError("the prefix in the evidence has `size`, `root` and `proof`")


def _hash(value: object) -> bytes:
    if not isinstance(value, str) or not value.isascii():
        raise FormatError("a hash in the evidence is base64")
    return decode_hash(value, what="a hash in the evidence")
