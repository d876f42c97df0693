"""A release, verified before any of its parts is fetched; then its parts. No service, no network but the source."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from hallmark_release.bundle import verify_bundle
from hallmark_release.client import Freshness, ReleaseFiles, fetch_release
from hallmark_release.composite_bundle import verify_composite_bundle
from hallmark_release.errors import EpochTooOld, ReleaseMismatch
from hallmark_release.index import ReleaseIndex, parse_index
from hallmark_release.log_proof import LoggedRelease, prove_logged, release_name
from hallmark_release.pieces import verify_pieces
from hallmark_release.source import ReleaseSource
from hallmark_release.statement import Statement
from hallmark_release.trust import ReleaseTrust


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """Proved: this is the current release of the model, signed by both keys, logged, and not too old."""

    statement: Statement
    index: ReleaseIndex
    log: LoggedRelease
    freshness: Freshness

    @property
    def name(self) -> str:
        """At the service: tenants/{tenant}/releases/{SHA-256 of the statement}."""
        return release_name(self.index.release.tenant, self.statement.sha256)

    @property
    def artifact(self) -> str:
        """What the service knows it by: ask for its key, follow its revocation under this name."""
        return f"tenants/{self.index.release.tenant}/artifacts/{self.statement.sha256.hex()}"


@dataclass(frozen=True, slots=True)
class VerifiedParts:
    """Every piece of every part is there as it was published (encrypted: nothing was opened)."""

    parts: int
    size: int


def verify_release(
    source: ReleaseSource,
    model: str,
    trust: ReleaseTrust,
    *,
    now: datetime,
    minimum_epoch: int = 0,
    state: Path | None = None,
) -> VerifiedRelease:
    """Everything about a release but its parts. Each failure is a class of its own (errors.py).

    1. TUF: root chain from the pinned root, timestamp, snapshot, targets; signatures, expiry at `now`, rollback
       against `state`; size and digest of the four files
    2. to 6. as `verify_files`

    now: aware, from a clock that is not set back. minimum_epoch: the smallest that the caller still accepts (of the
    service's feed, or kept in hardware). state: folder of what was seen; give one wherever there is a disk.
    """
    files = fetch_release(source, model, trusted_root=trust.root, now=now, state=state)
    verified = verify_files(files, trust, minimum_epoch=minimum_epoch)
    if verified.index.release.model != model:
        raise ReleaseMismatch(f"the repository lists a release of {verified.index.release.model} under {model}")
    return verified


def verify_files(files: ReleaseFiles, trust: ReleaseTrust, *, minimum_epoch: int = 0) -> VerifiedRelease:
    """The four files of a release, however they came.

    2. the ECDSA signature of the statement
    3. the composite signature of the same statement
    4. the log has an entry of this index, under a witnessed checkpoint
    5. the index belongs to the statement (digest, model, version, epochs, files and their sizes), and the entry to both
    6. the epoch is not below the minimum
    """
    statement, index, logged = verify_content(
        bundle=files.bundle,
        composite_bundle=files.composite_bundle,
        index=files.index,
        log_proof=files.log_proof,
        trust=trust,
    )
    if index.release.epoch < minimum_epoch:
        raise EpochTooOld(f"the release has epoch {index.release.epoch}, below the minimum {minimum_epoch}")
    return VerifiedRelease(statement, index, logged, files.freshness)


def verify_content(
    *, bundle: bytes, composite_bundle: bytes, index: bytes, log_proof: bytes, trust: ReleaseTrust
) -> tuple[Statement, ReleaseIndex, LoggedRelease]:
    """Steps 2 to 5 of `verify_files`: what a publisher asks before anybody may see it."""
    statement = verify_statement(bundle, composite_bundle, trust)
    proved = prove_logged(log_proof, trust.policy)
    proved.check_index_bytes(index)
    parsed = parse_index(index)
    parsed.check_statement(statement)
    proved.check_index(parsed)
    return statement, parsed, proved.logged


def verify_statement(bundle: bytes, composite_bundle: bytes, trust: ReleaseTrust) -> Statement:
    """Both signatures. Raises FormatInvalid, WrongKey, SignatureInvalid, CompositeInvalid, ReleaseMismatch."""
    statement = verify_bundle(bundle, trust.ecdsa)
    if verify_composite_bundle(composite_bundle, trust.composite).payload != statement.payload:
        raise ReleaseMismatch("the two bundles hold different statements")
    return statement


def verify_parts(
    source: ReleaseSource, release: VerifiedRelease, progress: Callable[[int], None] | None = None
) -> VerifiedParts:
    """Fetch every part and compare every piece; keeps nothing. Raises PieceInvalid, SourceFailed."""
    for part in release.index.parts:
        for piece in verify_pieces(part, source.stream(part.location)):
            if progress:
                progress(len(piece.data))
    return VerifiedParts(len(release.index.parts), release.index.encrypted_size)
