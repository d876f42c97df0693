"""What the log says of releases (docs/log.md). Who holds what stands as commitments."""

import hashlib

from kms.core.canonical import Json
from kms.releases.model import Release


def created_details(made: Release) -> dict[str, Json]:
    return {
        "envelope_sha256": hashlib.sha256(made.content_key.envelope).hexdigest(),
        "epoch": made.epoch,
        "index_sha256": made.index_sha256.hex(),
        "key_version": str(made.content_key.key_version),
        "kind": made.kind.value,
        "minimum_epoch": made.minimum_epoch,
        "model": str(made.model),
        "requires_consent": made.requires_consent,
        "version": made.version,
    }


def released_details(release: Release, *, envelope: bytes, info: bytes, verdict: str) -> dict[str, Json]:
    return {
        "envelope_sha256": hashlib.sha256(envelope).hexdigest(),
        "epoch": release.epoch,
        "info_sha256": hashlib.sha256(info).hexdigest(),
        "key_version": str(release.content_key.key_version),
        "verdict": verdict,
    }
