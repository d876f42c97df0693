"""COSE Receipts (RFC 9942) over this log's tree, verifiable data structure 1, RFC9162_SHA256.

A receipt is a COSE_Sign1 message whose payload, the root, is left out: who verifies computes it from the proof in the
unprotected header. The signature covers the protected header and the root, so one serves all receipts of one size:

    protected = receipt_header(algorithm=..., kid=..., issuer=..., subject=...)
    signature = sign(receipt_message(protected, root))
    receipt = inclusion_receipt(protected, signature, size=..., index=..., path=...)

What a receipt shows is that the entry is in the tree of the signed root. Nobody signed size and index: other numbers
can fit the same path. And it has no cosignatures, so it does not show that others see the same log. A tlog-proof does
both.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from hallmark_tlog.canonical import HASH_SIZE, MAX_SIZE
from hallmark_tlog.cose import (
    TAG_SIGN1,
    Algorithm,
    CoseKey,
    Sign1,
    decode_cbor,
    encode_cbor,
    encode_sign1,
    parse_sign1,
    protected_header,
    signed_bytes,
    verify_sign1,
)
from hallmark_tlog.errors import ConsistencyError, FormatError, UnsupportedVds
from hallmark_tlog.merkle import consistency_root, inclusion_root, leaf_hash

RFC9162_SHA256 = 1

_VDS, _PROOFS = 395, 396
_INCLUSION, _CONSISTENCY = -1, -2


@dataclass(frozen=True, slots=True)
class VerifiedReceipt:
    """An entry of the tree with `root` (32 bytes) that a key of the log signed.

    `index` and `size` are what the receipt states: the path fits them, but they are not signed (see above).
    """

    entry: bytes
    index: int
    size: int
    root: bytes
    issuer: str | None
    subject: str | None
    key: CoseKey


@dataclass(frozen=True, slots=True)
class VerifiedConsistency:
    """A known tree of `old_size` is a prefix of the tree with `root` (32 bytes) that a key of the log signed.

    `size` is what the receipt states: the path fits it, but it is not signed.
    """

    old_size: int
    size: int
    root: bytes
    issuer: str | None
    subject: str | None
    key: CoseKey


def receipt_header(*, algorithm: Algorithm, kid: bytes, issuer: str, subject: str) -> bytes:
    """The protected header of receipts; issuer and subject are the CWT claims that SCITT (RFC 9943) asks for."""
    return protected_header(algorithm=algorithm, kid=kid, issuer=issuer, subject=subject, more={_VDS: RFC9162_SHA256})


def receipt_message(protected: bytes, root: bytes) -> bytes:
    """The bytes to sign for all receipts of the tree with this root. ECDSA signatures are then r || s."""
    return signed_bytes(protected, root)


def inclusion_receipt(protected: bytes, signature: bytes, *, size: int, index: int, path: Sequence[bytes]) -> bytes:
    """Assemble the receipt of the entry at `index` of the tree of `size` (RFC 9942, "Receipt of Inclusion")."""
    proof = encode_cbor([size, index, list(path)])
    return encode_sign1(protected, {_PROOFS: {_INCLUSION: [proof]}}, None, signature)


def consistency_receipt(
    protected: bytes, signature: bytes, *, old_size: int, size: int, path: Sequence[bytes]
) -> bytes:
    """Assemble the receipt that the tree of `old_size` is a prefix of that of `size` (RFC 9942)."""
    proof = encode_cbor([old_size, size, list(path)])
    return encode_sign1(protected, {_PROOFS: {_CONSISTENCY: [proof]}}, None, signature)


def verify_receipt(receipt: bytes, entry: bytes, keys: Sequence[CoseKey]) -> VerifiedReceipt:
    """Verify that `entry` (the bytes that were logged) is in a tree that one of the keys signed.

    A path that was altered leads to a root that nobody signed: BadSignature.
    Also raises UnsupportedVds, NotSigned, InclusionError and FormatError.
    """
    message, proof = open_receipt(receipt, RFC9162_SHA256, _INCLUSION)
    size, index, path = _numbers_and_path(decode_cbor(proof))
    root = inclusion_root(index, size, leaf_hash(entry), path)
    key = verify_sign1(message, keys, payload=root)
    return VerifiedReceipt(entry, index, size, root, message.issuer, message.subject, key)


def verify_consistency_receipt(
    receipt: bytes, old_size: int, old_root: bytes, keys: Sequence[CoseKey]
) -> VerifiedConsistency:
    """Verify that the tree of `old_size` with `old_root` is a prefix of a tree that one of the keys signed.

    Raises UnsupportedVds, NotSigned, BadSignature, ConsistencyError and FormatError.
    """
    message, proof = open_receipt(receipt, RFC9162_SHA256, _CONSISTENCY)
    stated, size, path = _numbers_and_path(decode_cbor(proof))
    if stated != old_size or not 1 <= old_size <= size:
        raise ConsistencyError(f"the receipt is from size {stated} to {size}, not from {old_size}")
    root = consistency_root(0, old_size, size, old_root, path)
    key = verify_sign1(message, keys, payload=root)
    return VerifiedConsistency(old_size, size, root, message.issuer, message.subject, key)


def open_receipt(receipt: bytes, vds: int, proof_type: int) -> tuple[Sign1, bytes]:
    """The message, not verified, and the encoded proof of a receipt over the data structure `vds` with one proof.

    Raises UnsupportedVds and FormatError. The structure is read from the protected header only. A receipt is tagged,
    and its payload detached: so whoever verifies it has to compute the root (RFC 9942, "Receipt of Inclusion").
    """
    message = parse_sign1(receipt)
    if message.payload is not None or not receipt.startswith(TAG_SIGN1):
        raise FormatError("a receipt is a tagged COSE_Sign1 message without its payload")
    stated = message.headers.get(_VDS)
    if type(stated) is not int:
        raise UnsupportedVds(None)
    if stated != vds:
        raise UnsupportedVds(stated)
    match message.unprotected.get(_PROOFS):
        case dict(proofs):
            found = proofs.get(proof_type)
        case _:
            found = None
    match found:
        case [bytes(proof)]:
            return message, proof
        case _:
            raise FormatError(f"the receipt has not exactly one proof of type {proof_type}")


def check_hash(value: Any) -> bytes:
    """32 bytes, or FormatError."""
    if not isinstance(value, bytes) or len(value) != HASH_SIZE:
        raise FormatError(f"a hash in the receipt is not {HASH_SIZE} bytes")
    return value


def _numbers_and_path(proof: Any) -> tuple[int, int, list[bytes]]:
    match proof:
        case [first, second, list(path)] if type(first) is type(second) is int and max(first, second) <= MAX_SIZE:
            return first, second, [check_hash(value) for value in path]
        case _:
            raise FormatError("the proof of a receipt is two numbers and a list of hashes")
