"""Entries of the transparency log, what opens their commitments, and receipts in CBOR."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from hallmark_client.errors import VerificationFailed
from hallmark_client.model.log import Checkpoint, Logged, LogPromise, check_leaf, tlog_errors
from hallmark_client.model.result import Result
from hallmark_tlog.entry import Entry, OpenedFact, parse_entry, verify_opening

RECEIPT_ALGORITHMS: Final[Mapping[str, int]] = {"EdDSA": -8, "ML-DSA-44": -48}
"""COSE algorithms that receipts are signed with, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord(Result):
    """A published entry, as told. leaf_hash: SHA-256(0x00 || entry), 32 bytes. entry: the bytes in the log."""

    leaf_index: int
    leaf_hash: bytes
    entry: bytes

    def parsed(self) -> Entry:
        """What the entry says. Raises VerificationFailed (ENTRY_INVALID): not canonical, or not its own hash."""
        check_leaf(self.entry, self.leaf_hash)
        with tlog_errors("ENTRY_INVALID"):
            return parse_entry(self.entry)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogBatch(Result):
    """Entries that follow one another. checkpoint: covers them; None where it is that of the batch before."""

    entries: tuple[LogRecord, ...]
    checkpoint: Checkpoint | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening(Result):
    """HMAC-SHA256(salt, name || 0x00 || value) is the commitment; 32 bytes each."""

    name: str
    salt: bytes
    commitment: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Openings(Result):
    """What opens the commitments of one entry, as long as it was not erased. The values stay with who appended them."""

    entry: bytes
    openings: tuple[Opening, ...]

    def verify(self, name: str, value: str) -> OpenedFact:
        """That the entry commits to this value. Raises VerificationFailed (COMMITMENT_MISMATCH, ENTRY_INVALID)."""
        with tlog_errors("ENTRY_INVALID"):
            entry = parse_entry(self.entry)
        salt = next((one.salt for one in self.openings if one.name == name), b"")
        with tlog_errors("COMMITMENT_MISMATCH"):
            return verify_opening(entry, name, value, salt)


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure(Result):
    """Salts were destroyed; `log` promises the entry that says so."""

    erased_entries: int
    erase_time: datetime
    log: LogPromise


@dataclass(frozen=True, slots=True, kw_only=True)
class CoseReceipt(Result):
    """COSE Receipt (RFC 9942): COSE_Sign1 in CBOR. cose_key: COSE_Key of the signer, as told by the server."""

    receipt: bytes
    entry: bytes
    leaf_index: int
    tree_size: int
    cose_key: bytes

    def verify(self, key_set: bytes, origin: str) -> Logged:
        """Check it with keys that are trusted: a COSE_KeySet, such as the public file `receipt-keys`.

        Raises VerificationFailed (RECEIPT_INVALID).
        """
        from hallmark_tlog.cose_keys import parse_key_set
        from hallmark_tlog.cose_receipt import verify_receipt
        from hallmark_tlog.merkle import leaf_hash

        with tlog_errors("RECEIPT_INVALID"):
            found = verify_receipt(self.receipt, self.entry, parse_key_set(key_set))
        if found.issuer != origin or (found.index, found.size) != (self.leaf_index, self.tree_size):
            raise VerificationFailed("RECEIPT_INVALID", "the receipt says something else than the answer did")
        return Logged(
            origin=origin,
            leaf_index=found.index,
            leaf_hash=leaf_hash(self.entry),
            tree_size=found.size,
            root_hash=found.root,
        )
