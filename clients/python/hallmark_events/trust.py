"""Whom to believe: the service's composite keys, and the log under the caller's own policy."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from hallmark_composite import CompositeError, CompositePublicKey, verify
from hallmark_events.errors import KeyUnknown, ProofInvalid, ProofMissing, SignatureInvalid
from hallmark_tlog.by_policy import verify_proof_by_policy
from hallmark_tlog.entry import Entry, parse_entry
from hallmark_tlog.errors import TlogError
from hallmark_tlog.policy import Policy
from hallmark_tlog.proof import VerifiedEntry, verify_proof
from hallmark_tlog.vkey import VerifierKey

TrustedKeys: TypeAlias = Mapping[str, CompositePublicKey]
"""Full key version name to public key: the keys of the service whose word counts."""
LogTrust: TypeAlias = Policy | Sequence[VerifierKey]
"""A tlog-policy with its quorum of witnesses; or the log's own keys, which then are believed alone."""

BATCH_ENTRY_TYPE: Final = "leases.issued"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """A composite signature by one of the service's keys: hallmark.v1.ServiceSignature."""

    key_version: str
    signature: bytes


@dataclass(frozen=True, slots=True)
class LogEvidence:
    """The bytes that were logged, and a c2sp.org/tlog-proof@v1 file; empty where there is none yet."""

    entry: bytes = b""
    tlog_proof: bytes = b""


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry that is proved to be in the log, read."""

    entry: Entry
    proof: VerifiedEntry


def check_signature(payload: bytes, signature: Signature, trusted_keys: TrustedKeys, *, context: bytes) -> None:
    """Both halves over `payload`, under the context that the caller expects. Raises KeyUnknown, SignatureInvalid."""
    key = trusted_keys.get(signature.key_version)
    if key is None:
        raise KeyUnknown(signature.key_version)
    try:
        verify(key, signature.signature, message=payload, context=context)
    except CompositeError as error:
        raise SignatureInvalid(f"the signature of {signature.key_version} does not verify: {error}") from error


def check_logged(evidence: LogEvidence, trust: LogTrust) -> Logged:
    """The entry stands in a log that is trusted, at a checkpoint that is. Raises ProofMissing, ProofInvalid."""
    if not evidence.entry or not evidence.tlog_proof:
        raise ProofMissing("there is no proof of the log with it: wait until the log has published its entry")
    try:
        if isinstance(trust, Policy):
            proof = verify_proof_by_policy(evidence.tlog_proof, evidence.entry, trust)
        else:
            proof = verify_proof(evidence.tlog_proof, evidence.entry, trust)
        return Logged(entry=parse_entry(evidence.entry), proof=proof)
    except TlogError as error:
        raise ProofInvalid(f"the proof of the log does not hold: {error}") from error


def check_logged_payload(payload_sha256: str, evidence: LogEvidence, trust: LogTrust) -> Logged:
    """... and commits to the payload: its detail payload_sha256, in hexadecimal. Raises ProofMissing, ProofInvalid."""
    logged = check_logged(evidence, trust)
    if logged.entry.details.get("payload_sha256") != payload_sha256:
        raise ProofInvalid("the log entry is about another payload")
    return logged


def check_logged_batch(root: bytes, tree_size: int, evidence: LogEvidence, trust: LogTrust) -> Logged:
    """... and commits to a batch: its details root_sha256 and tree_size. Raises ProofMissing, ProofInvalid."""
    logged = check_logged(evidence, trust)
    details = logged.entry.details
    if logged.entry.event_type != BATCH_ENTRY_TYPE:
        raise ProofInvalid(f"the log entry is of type {logged.entry.event_type[:80]}, not {BATCH_ENTRY_TYPE}")
    if details.get("root_sha256") != root.hex() or details.get("tree_size") != tree_size:
        raise ProofInvalid("the log entry is about another batch")
    return logged
