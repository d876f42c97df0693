"""tlog-proof v1: one file that shows an entry is in a log, to be verified offline (C2SP tlog-proof)."""

from collections.abc import Sequence
from dataclasses import dataclass

from hallmark_tlog.canonical import HASH_SIZE, MAX_SIZE, decode_base64, decode_decimal, decode_hash, encode_base64
from hallmark_tlog.errors import FormatError
from hallmark_tlog.merkle import leaf_hash, verify_inclusion
from hallmark_tlog.note import MAX_NOTE_BYTES
from hallmark_tlog.verify import Require, VerifiedCheckpoint, open_checkpoint
from hallmark_tlog.vkey import VerifierKey

HEADER = "c2sp.org/tlog-proof@v1"
MAX_PATH_HASHES = 63
MAX_EXTRA_BYTES = 65_536
MAX_PROOF_BYTES = MAX_NOTE_BYTES + 2 * MAX_EXTRA_BYTES

_MAX_HEAD_LINES = 3 + MAX_PATH_HASHES


@dataclass(frozen=True, slots=True)
class TlogProof:
    """An inclusion path (lowest hash first) and the signed checkpoint it leads to, verbatim.

    `extra` is opaque and NOT authenticated by anything; empty when absent.
    """

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes = b""

    def __post_init__(self) -> None:
        if not 0 <= self.index <= MAX_SIZE or len(self.path) > MAX_PATH_HASHES:
            raise FormatError(f"a proof has an index below 2^63 and at most {MAX_PATH_HASHES} hashes")
        if any(len(value) != HASH_SIZE for value in self.path):
            raise FormatError(f"the hashes of a proof are {HASH_SIZE} bytes")
        if not 1 <= len(self.checkpoint) <= MAX_NOTE_BYTES or len(self.extra) > MAX_EXTRA_BYTES:
            raise FormatError("a proof has a checkpoint and a bounded extra line")

    def __bytes__(self) -> bytes:
        """The file, by convention named `*.tlog-proof`."""
        return proof_head(self.index, self.path, self.extra) + self.checkpoint


def proof_head(index: int, path: Sequence[bytes], extra: bytes = b"") -> bytes:
    """A proof file up to its checkpoint, with the empty line between them."""
    lines = [HEADER, f"extra {encode_base64(extra)}"] if extra else [HEADER]
    return "\n".join((*lines, f"index {index}", *map(encode_base64, path), "", "")).encode()


@dataclass(frozen=True, slots=True)
class VerifiedEntry:
    """An entry, its index in the log, and the checkpoint that says so with its signers."""

    entry: bytes
    index: int
    checkpoint: VerifiedCheckpoint


def parse_proof(data: bytes) -> TlogProof:
    """Read the file's syntax; the checkpoint stays unread. Raises FormatError."""
    if len(data) > MAX_PROOF_BYTES:
        raise FormatError(f"a proof is larger than {MAX_PROOF_BYTES} bytes")
    head, divider, checkpoint = data.partition(b"\n\n")
    if not divider:
        raise FormatError("a proof has no empty line before its checkpoint")
    if not head.isascii() or head.count(b"\n") >= _MAX_HEAD_LINES:
        raise FormatError("the lines of a proof are not ASCII, or too many")
    header, *lines = head.decode("ascii").split("\n")
    if header != HEADER:
        raise FormatError(f"a proof begins with the line {HEADER}")
    extra = b""
    if lines and lines[0].startswith("extra "):
        extra = decode_base64(lines.pop(0).removeprefix("extra "), what="the extra line")
        if not extra:
            raise FormatError("without extra data a proof has no extra line")
    if not lines or not lines[0].startswith("index "):
        raise FormatError("a proof has no index line where it belongs")
    return TlogProof(
        index=decode_decimal(lines[0].removeprefix("index "), what="the index of a proof"),
        path=tuple(decode_hash(line, what="a hash of a proof") for line in lines[1:]),
        checkpoint=checkpoint,
        extra=extra,
    )


def verify_proof(
    proof: TlogProof | bytes,
    entry: bytes,
    vkeys: Sequence[VerifierKey],
    *,
    origin: str | None = None,
    require: Require = Require.LOG,
) -> VerifiedEntry:
    """Verify that `entry` (the bytes that were logged) is in the log that `vkeys` belong to.

    `origin` and `require` are those of `verify.open_checkpoint`. Raises FormatError, SignatureError, OriginMismatch or
    InclusionError.
    """
    if isinstance(proof, bytes):
        proof = parse_proof(proof)
    return verify_entry(proof, entry, open_checkpoint(proof.checkpoint, vkeys, origin=origin, require=require))


def verify_entry(proof: TlogProof, entry: bytes, opened: VerifiedCheckpoint) -> VerifiedEntry:
    """Verify the path of a proof whose checkpoint is `opened` already. Raises InclusionError."""
    checkpoint = opened.checkpoint
    verify_inclusion(proof.index, checkpoint.size, leaf_hash(entry), proof.path, checkpoint.root)
    return VerifiedEntry(entry=entry, index=proof.index, checkpoint=opened)
