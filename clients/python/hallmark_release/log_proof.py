"""The release in the transparency log: one file that proves it offline.

`release.tlog-proof` is a C2SP tlog-proof whose extra line holds the log entry of the registration (nothing
authenticates that line: it is believed because the proof shows that exactly these bytes are in the log). The entry is
of type release.created; its subject is tenants/{tenant}/releases/{SHA-256 of the statement}; its details repeat model,
kind, version, epochs and the digest of the index.
"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from hallmark_release.errors import LogProofInvalid, ReleaseMismatch
from hallmark_release.index import ReleaseIndex
from hallmark_tlog.by_policy import verify_proof_by_policy
from hallmark_tlog.entry import Entry, parse_entry
from hallmark_tlog.errors import TlogError
from hallmark_tlog.policy import Policy
from hallmark_tlog.proof import parse_proof
from hallmark_tlog.verify import Require

EVENT_TYPE: Final = "release.created"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRelease:
    """Proved: the log has the registration of this release. cosigners: names of the witnesses' keys that were seen."""

    origin: str
    leaf_index: int
    tree_size: int
    time: datetime
    cosigners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ProvedEntry:
    """An entry of the log, whatever it is about."""

    entry: Entry
    logged: LoggedRelease

    def check_index_bytes(self, data: bytes) -> None:
        """So that nothing of an index is parsed which the log does not know. Raises ReleaseMismatch."""
        if self.entry.details.get("index_sha256") != hashlib.sha256(data).hexdigest():
            raise ReleaseMismatch("the log entry says otherwise than the release about index_sha256")

    def check_index(self, index: ReleaseIndex) -> None:
        """Raises ReleaseMismatch."""
        _check_entry(self.entry, index)


def write_log_proof(tlog_proof: bytes, entry: bytes) -> bytes:
    """The file, from what CreateRelease answered with wait="published". Raises LogProofInvalid."""
    try:
        return bytes(replace(parse_proof(tlog_proof), extra=entry))
    except TlogError as error:
        raise LogProofInvalid(f"the service gave no proof of the release: {error}") from error


def verify_log_proof(data: bytes, index: ReleaseIndex, policy: Policy) -> LoggedRelease:
    """1. the entry inside is in a log of the policy: inclusion path, checkpoint signed by every key that the policy
          lists for this log, quorum of witnesses
    2. the entry is about this release and this index

    Raises LogProofInvalid or ReleaseMismatch.
    """
    proved = prove_logged(data, policy)
    proved.check_index(index)
    return proved.logged


def prove_logged(data: bytes, policy: Policy) -> ProvedEntry:
    """Step 1 of `verify_log_proof`. Raises LogProofInvalid."""
    try:
        proof = parse_proof(data)
        proved = verify_proof_by_policy(proof, proof.extra, policy, require=Require.ALL)
        entry = parse_entry(proved.entry)
    except TlogError as error:
        raise LogProofInvalid(f"the release is not proved to be in the log: {error}") from error
    logged = LoggedRelease(
        origin=proved.checkpoint.checkpoint.origin,
        leaf_index=proved.index,
        tree_size=proved.checkpoint.checkpoint.size,
        time=entry.time,
        cosigners=tuple(signer.name for signer in proved.checkpoint.cosigners),
    )
    return ProvedEntry(entry, logged)


def release_name(tenant: str, statement_sha256: bytes) -> str:
    """At the service: tenants/{tenant}/releases/{SHA-256 of the statement}."""
    return f"tenants/{tenant}/releases/{statement_sha256.hex()}"


def _check_entry(entry: Entry, index: ReleaseIndex) -> None:
    release = index.release
    expected = {
        "epoch": release.epoch,
        "index_sha256": index.sha256.hex(),
        "kind": index.kind,
        "minimum_epoch": release.minimum_epoch,
        "model": f"tenants/{release.tenant}/models/{release.model}",
        "version": release.version,
    }
    subject = release_name(release.tenant, index.statement_sha256)
    if (entry.event_type, entry.tenant, entry.subject) != (EVENT_TYPE, release.tenant, subject):
        raise ReleaseMismatch("the log entry is about something else than this release")
    wrong = [name for name, value in expected.items() if entry.details.get(name) != value]
    if wrong:
        raise ReleaseMismatch(f"the log entry says otherwise than the release about {', '.join(wrong)}")
