"""Log entries and promises. One canonical, versioned encoding for every event: what auditors read.

An entry is canonical JSON (RFC 8785 subset, kms.core.canonical), as hallmark_tlog.entry reads it and docs/log.md tells
auditors. Entries hold no secret and nothing personal: resource names are chosen by operators or random, content stands
as SHA-256, and facts about people as commitments (kms.log.entries.commitments).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from hallmark_tlog.bundles import MAX_ENTRY_BYTES
from hallmark_tlog.entry import ENTRY_VERSION, commitment_text
from hallmark_tlog.merkle import leaf_hash
from kms.core.canonical import Json, canonical_json
from kms.core.clock import format_time
from kms.core.errors import NotFound, Reason
from kms.log.entries.event_types import check_entry
from kms.log.errors import EntryTooLarge
from kms.log.witnesses.settings import WitnessSettings


@dataclass(frozen=True, slots=True)
class LogEntry:
    """An act of trust. `event_key` (UUIDv7) is unique for ever: recording it twice is an error of the caller.

    `commitments`: 32 bytes for each fact, by its name (kms.log.entries.commitments).
    """

    event_key: str
    event_type: str
    tenant: str
    subject: str
    time: datetime
    details: Mapping[str, Json] = field(default_factory=dict)
    commitments: Mapping[str, bytes] = field(default_factory=dict)

    def encode(self) -> bytes:
        """Raises ValueError for an entry that auditors were not told of (kms.log.entries.event_types)."""
        check_entry(self.event_type, self.details.keys(), self.commitments.keys())
        members: dict[str, Json] = {
            "v": ENTRY_VERSION,
            "id": self.event_key,
            "type": self.event_type,
            "tenant": self.tenant,
            "subject": self.subject,
            "time": format_time(self.time),
            "details": dict(self.details),
        }
        if self.commitments:
            members["commitments"] = {name: commitment_text(value) for name, value in self.commitments.items()}
        return canonical_json(members)


@dataclass(frozen=True, slots=True)
class LogPromise:
    """The entry is committed with its act. Once published, `leaf_index` and `tlog_proof` (tlog-proof v1) are set."""

    event_key: str
    leaf_hash: bytes
    entry: bytes
    leaf_index: int | None = None
    tlog_proof: bytes | None = None


def promise_of(event_key: str, data: bytes) -> LogPromise:
    """The promise for an encoded entry. Raises EntryTooLarge."""
    if len(data) > MAX_ENTRY_BYTES:
        raise EntryTooLarge(len(data))
    return LogPromise(event_key=event_key, leaf_hash=leaf_hash(data), entry=data)


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """How a log behaves. `origin` names it for ever: 1 to 255 bytes, no space, no plus; also the name of its keys."""

    origin: str
    min_checkpoint_interval_seconds: float = 0.03
    """Between two checkpoints, and between two moves from the queue into the tree."""
    calm_checkpoint_interval_seconds: float = 1.0
    """Between two checkpoints while nobody waits for a proof: what signs most need not publish most."""
    refresh_seconds: float = 600.0
    """The newest checkpoint is signed again when it is older: its timestamp is what tells readers the log is alive."""
    batch_max: int = 1024
    queue_max: int = 20_000
    poll_seconds: float = 1.0
    """How often to look for what another replica did; this process wakes itself."""
    witnesses: WitnessSettings = field(default_factory=WitnessSettings)

    def __post_init__(self) -> None:
        """Raises ValueError."""
        if not 1 <= len(self.origin.encode()) <= 255 or "+" in self.origin or any(map(str.isspace, self.origin)):
            raise ValueError("the origin of a log is 1 to 255 bytes without spaces and plus signs")
        if self.batch_max < 1 or self.queue_max < 1 or self.poll_seconds <= 0:
            raise ValueError("batch_max, queue_max and poll_seconds of a log are positive")


@dataclass(frozen=True, slots=True)
class TreeHead:
    """Size and RFC 6962 root (32 bytes) of the sequenced tree."""

    size: int
    root: bytes


@dataclass(frozen=True, slots=True)
class CheckpointRecord:
    """One row for each size that was ever to be signed. `note` is None between the intent and the signature.

    `cosignatures` are signature lines of witnesses, verified before they were stored. They are on the note's text, so
    they hold also when the log signs it again.
    """

    head: TreeHead
    note: bytes | None
    sign_time: datetime | None
    cosignatures: bytes = b""


@dataclass(frozen=True, slots=True)
class PublishedCheckpoint:
    """What the public files show: the newest signed note of a head."""

    head: TreeHead
    note: bytes


@dataclass(frozen=True, slots=True)
class StoredEntry:
    """An entry at its place in the log, which never changes."""

    index: int
    leaf_hash: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an entry's promise turns into: its index, and once it is published a proof.

    `proof_head` is the tlog-proof v1 file up to its checkpoint, which all proofs of a tree share.
    """

    leaf_index: int
    proof_head: bytes | None = None
    checkpoint: bytes = b""

    def under(self, checkpoint: bytes) -> "Receipt":
        """The same proof with the signed note of its tree."""
        return Receipt(self.leaf_index, self.proof_head, checkpoint)

    @property
    def tlog_proof(self) -> bytes | None:
        return None if self.proof_head is None else self.proof_head + self.checkpoint


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """Audit path of an entry in the tree of `tree_size`, sibling of the leaf first (RFC 9162, section 2.1.3).

    `tlog_proof` is the tlog-proof v1 file; None when `tree_size` is not that of the published checkpoint.
    """

    entry: StoredEntry
    tree_size: int
    hashes: tuple[bytes, ...]
    tlog_proof: bytes | None


@dataclass(frozen=True, slots=True)
class ConsistencyProof:
    """Shows that the tree of `old_size` is a prefix of that of `new_size` (RFC 9162, section 2.1.4)."""

    old_size: int
    new_size: int
    hashes: tuple[bytes, ...]


def entry_not_found(what: str) -> NotFound:
    """For an entry that does not exist, and for one that the tree asked about does not hold yet."""
    return NotFound(Reason.LOG_ENTRY_NOT_FOUND, f"{what} is not in this tree; a recent entry may need a moment")
