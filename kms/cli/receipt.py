"""A signature's receipt: a C2SP tlog-proof file that brings its log entry along, so that it is checked offline.

The proof format leaves room for opaque data ("extra") that nothing authenticates. The entry travels there: it is
believed only because the proof shows that exactly these bytes are in the log.
"""

import hashlib
import hmac
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kms.cli.failure import not_so, not_usable
from kms.cli.output import read_file

if TYPE_CHECKING:
    from hallmark_client.model.log import LogPromise
    from hallmark_tlog.vkey import VerifierKey

_MAX_VKEY_FILE_BYTES: Final = 64 * 1024
_MAX_PATH_CHARACTERS: Final = 1024
"""A verifier key of ML-DSA-44 is longer, and too long to be asked about as a path."""
_SHOWN_CHARACTERS: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """Proved: the log has an entry about exactly this signature over exactly this input."""

    origin: str
    leaf_index: int
    tree_size: int
    key_version: str
    time: str


def receipt_file(promise: "LogPromise") -> bytes:
    """The file's bytes. The promise must be a published one."""
    from hallmark_tlog.proof import parse_proof

    return bytes(replace(parse_proof(promise.tlog_proof), extra=promise.entry))


def check_receipt(data: bytes, keys: Sequence["VerifierKey"], *, signature: bytes, inputs: Sequence[bytes]) -> Receipt:
    """inputs: what the key may have been given of the message, such as PH(M). Raises TlogError, CommandError.

    1. the entry inside is in the log: inclusion path, checkpoint, the log's signature
    2. the entry is about this signature and this input, not about another one
    """
    from hallmark_tlog.proof import parse_proof, verify_proof

    proof = parse_proof(data)
    if not proof.extra:
        raise not_usable("PROOF_WITHOUT_ENTRY", "this proof does not bring its log entry along")
    proved = verify_proof(proof, proof.extra, keys, origin=keys[0].name)
    entry = json.loads(proved.entry)
    if entry.get("type") != "signature.created":
        raise not_so("PROOF_OF_ANOTHER_ACT", "the proof is about another kind of act than a signature")
    _check_same(entry, "signature_sha256", [signature], "the proof is about another signature")
    _check_same(entry, "input_digest_sha256", inputs, "the proof is about another input")
    return Receipt(
        origin=proved.checkpoint.checkpoint.origin,
        leaf_index=proved.index,
        tree_size=proved.checkpoint.checkpoint.size,
        key_version=entry["subject"],
        time=entry["time"],
    )


def _check_same(entry: dict[str, dict[str, str]], detail: str, contents: Sequence[bytes], problem: str) -> None:
    logged = entry["details"].get(detail, "")
    if not any(hmac.compare_digest(logged, hashlib.sha256(content).hexdigest()) for content in contents):
        raise not_so("PROOF_OF_ANOTHER_ACT", problem)


def read_vkeys(given: Sequence[str]) -> list["VerifierKey"]:
    """Verifier keys, each given as such or as a file with one on each line. Raises OSError, CommandError."""
    found = [key for text in given for key in _keys_of(text)]
    if not found:
        raise not_usable(
            "VKEY_MISSING",
            "there is no verifier key of the log",
            "Give --vkey; `hallmark log keys` prints those of a running server",
        )
    return found


def _keys_of(text: str) -> list["VerifierKey"]:
    from hallmark_tlog.errors import FormatError
    from hallmark_tlog.vkey import parse_vkey

    lines = [text]
    if len(text) <= _MAX_PATH_CHARACTERS and Path(text).is_file():
        data = read_file(Path(text), _MAX_VKEY_FILE_BYTES)
        lines = [line for line in data.decode("utf-8", "replace").splitlines() if line.strip()]
    try:
        return [parse_vkey(line.strip()) for line in lines]
    except FormatError as error:
        shown = text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}..."
        raise not_usable("VKEY_INVALID", f"{shown} is neither a verifier key nor a file with some: {error}") from error
