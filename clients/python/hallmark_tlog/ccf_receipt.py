"""COSE receipts of CCF ledgers, verifiable data structure 2 (draft-ietf-scitt-receipts-ccf-profile).

Such a ledger is not ours: its tree has other leaves and no sizes or indexes. A leaf binds what was registered to the
transaction that wrote it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from hallmark_tlog.cose import CoseKey, decode_cbor, verify_sign1
from hallmark_tlog.cose_receipt import check_hash, open_receipt
from hallmark_tlog.errors import FormatError, InclusionError

CCF_LEDGER_SHA256 = 2

_INCLUSION = -1
_MAX_EVIDENCE_BYTES = 1_024
_MAX_PATH_HASHES = 63


@dataclass(frozen=True, slots=True)
class VerifiedCcfReceipt:
    """A transaction that registered `data_hash`, in a tree whose root (32 bytes) a key of the ledger signed."""

    data_hash: bytes
    transaction_hash: bytes
    evidence: str
    root: bytes
    issuer: str | None
    subject: str | None
    key: CoseKey


def verify_ccf_receipt(receipt: bytes, data_hash: bytes, keys: Sequence[CoseKey]) -> VerifiedCcfReceipt:
    """Verify that `data_hash` (for SCITT: SHA-256 of the signed statement) is in a ledger that one of the keys signed.

    Raises UnsupportedVds, InclusionError, NotSigned, BadSignature and FormatError.
    """
    message, proof = open_receipt(receipt, CCF_LEDGER_SHA256, _INCLUSION)
    match decode_cbor(proof):
        case {1: [transaction, str(evidence), data], 2: list(path)} if len(path) <= _MAX_PATH_HASHES:
            transaction_hash, stated = check_hash(transaction), check_hash(data)
        case _:
            raise FormatError("the proof of a CCF receipt is a leaf of three and a path")
    if not 1 <= len(evidence.encode()) <= _MAX_EVIDENCE_BYTES:
        raise FormatError(f"the evidence of a CCF receipt is 1 to {_MAX_EVIDENCE_BYTES} bytes")
    if stated != data_hash:
        raise InclusionError("the receipt is of other data")
    root = sha256(transaction_hash + sha256(evidence.encode()).digest() + data_hash).digest()
    for step in path:
        is_left, sibling = _step(step)
        root = sha256(sibling + root if is_left else root + sibling).digest()
    key = verify_sign1(message, keys, payload=root)
    return VerifiedCcfReceipt(data_hash, transaction_hash, evidence, root, message.issuer, message.subject, key)


def _step(value: Any) -> tuple[bool, bytes]:
    match value:
        case [bool(is_left), sibling]:
            return is_left, check_hash(sibling)
        case _:
            raise FormatError("a step of a CCF path is a side and a hash")
