"""Trust in a note: which of the given keys signed it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import assert_never

from hallmark_tlog.checkpoint import Checkpoint, parse_checkpoint
from hallmark_tlog.cosignature import verify_signature
from hallmark_tlog.errors import FormatError, NotSigned, OriginMismatch
from hallmark_tlog.note import Note, SignatureLine, parse_note
from hallmark_tlog.vkey import KeyType, VerifierKey

KeyRef = tuple[str, bytes]
"""Key name and 4-byte key ID: together they name a key in a note."""


class Require(Enum):
    """How many of the given keys must have signed a checkpoint."""

    LOG = auto()
    """At least one key that is named like the checkpoint's origin: the log itself."""
    ALL = auto()
    """Every given key, one of them the log's."""
    ANY = auto()
    """At least one given key, be it a witness. For mirrors, whose witness speaks for the log."""


@dataclass(frozen=True, slots=True)
class Signer:
    """A given key whose signature verified. `timestamp` is POSIX seconds, None for type 0x01, 0 for "no statement"."""

    name: str
    key_id: bytes
    type: int
    timestamp: int | None


@dataclass(frozen=True, slots=True)
class VerifiedNote:
    """A note signed by at least one given key. `signers` has each key once, in the order of the lines."""

    text: str
    signers: tuple[Signer, ...]


@dataclass(frozen=True, slots=True)
class VerifiedCheckpoint:
    """A checkpoint with the signatures asked for.

    `checkpoint.extensions` is empty unless the log's own 0x01 signature verified: 0x06 does not cover these lines, and
    a witness states nothing about them (tlog-cosignature).
    """

    checkpoint: Checkpoint
    signers: tuple[Signer, ...]

    @property
    def cosigners(self) -> tuple[Signer, ...]:
        """The signers that are not the log itself."""
        return tuple(signer for signer in self.signers if signer.name != self.checkpoint.origin)


def verify_note(data: bytes, vkeys: Sequence[VerifierKey]) -> VerifiedNote:
    """Parse and verify a note by the rules of signed-note, "Signatures".

    Lines of unknown keys are ignored, and so are those of given keys whose type cannot be verified here. A bad
    signature of a known key raises BadSignature; no verified signature raises NotSigned; bad bytes, FormatError.
    """
    note = parse_note(data)
    signers = tuple(signer for _, signer in verified_lines(note, vkeys))
    if not signers:
        raise NotSigned("no given key signed this note: " + _key_list(vkeys))
    return VerifiedNote(text=note.text, signers=signers)


def open_checkpoint(
    data: bytes, vkeys: Sequence[VerifierKey], *, origin: str | None = None, require: Require = Require.LOG
) -> VerifiedCheckpoint:
    """Parse a signed checkpoint and verify it with the keys of the log and, optionally, of witnesses.

    A key is the log's if its name is the checkpoint's origin (tlog-checkpoint, "Signatures"), so a witness key among
    `vkeys` can never stand in for the log unless `require` is ANY. With `origin`, any other raises OriginMismatch.
    """
    note = verify_note(data, vkeys)
    checkpoint = parse_checkpoint(note.text)
    if origin is not None and checkpoint.origin != origin:
        raise OriginMismatch(f"this is a checkpoint of {checkpoint.origin!r}, not of {origin!r}")
    _check_required(checkpoint.origin, note.signers, vkeys, require)
    if not any(signer.name == checkpoint.origin and signer.type == KeyType.ED25519 for signer in note.signers):
        checkpoint = Checkpoint(origin=checkpoint.origin, size=checkpoint.size, root=checkpoint.root)
    return VerifiedCheckpoint(checkpoint=checkpoint, signers=note.signers)


def verified_lines(note: Note, vkeys: Sequence[VerifierKey]) -> tuple[tuple[SignatureLine, Signer], ...]:
    """The lines of given keys in a note, each verified, in their order. Lines of other keys are left out.

    A key that signed twice is there once, with its newest time. Raises BadSignature for any bad line of a given key,
    and FormatError if two given keys cannot be told apart in a note.
    """
    keys = _keys_by_ref(vkeys)
    found: dict[KeyRef, tuple[SignatureLine, Signer]] = {}
    for line in note.signatures:
        ref = (line.name, line.key_id)
        key = keys.get(ref)
        if key is None:
            continue
        timestamp = verify_signature(key, note.text, line.blob)
        if ref not in found or (timestamp or 0) > (found[ref][1].timestamp or 0):
            found[ref] = (line, Signer(name=key.name, key_id=key.key_id, type=key.type, timestamp=timestamp))
    return tuple(found.values())


def _keys_by_ref(vkeys: Sequence[VerifierKey]) -> dict[KeyRef, VerifierKey]:
    keys: dict[KeyRef, VerifierKey] = {}
    for key in vkeys:
        known = keys.setdefault((key.name, key.key_id), key)
        if known != key:
            raise FormatError(f"two given keys share the name {key.name} and the key ID {key.key_id.hex()}")
    return {ref: key for ref, key in keys.items() if key.verifiable}


def _check_required(origin: str, signers: tuple[Signer, ...], vkeys: Sequence[VerifierKey], require: Require) -> None:
    signed = {(signer.name, signer.key_id) for signer in signers}
    by_log = any(signer.name == origin for signer in signers)
    match require:
        case Require.ANY:
            return
        case Require.LOG:
            missing: list[VerifierKey] = []
        case Require.ALL:
            missing = [key for key in vkeys if (key.name, key.key_id) not in signed]
        case _:
            assert_never(require)
    if not by_log:
        raise NotSigned(f"no given key of the log {origin!r} signed this checkpoint: {_key_list(vkeys)}")
    if missing:
        raise NotSigned(f"a required signature is missing: {_key_list(missing)}")


def _key_list(vkeys: Sequence[VerifierKey]) -> str:
    names = [f"{key.name} (type {key.type:#04x}{'' if key.verifiable else ', not supported'})" for key in vkeys]
    return ", ".join(names) or "no key was given"
