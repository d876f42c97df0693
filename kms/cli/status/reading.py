"""Reads status files from a folder or a URL; nothing is believed here."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from kms.cli.failure import not_usable
from kms.cli.log.trust import fetcher

if TYPE_CHECKING:
    from hallmark_events.manifest import Manifest

Read = Callable[[str], bytes]


def reader(public: str, tenant: str) -> Read:
    """Of paths below status/{tenant}/. Raises CommandError for what is not there at all."""
    from hallmark_tlog.errors import MissingResource

    fetch = fetcher(public)

    def read(path: str) -> bytes:
        try:
            return fetch(f"status/{tenant}/{path}")
        except MissingResource as missing:
            if path != "manifest.json":
                raise
            advice = "Give the folder or URL that has status/TENANT/manifest.json; --tenant says which tenant"
            raise not_usable("STATUS_MISSING", f"no status of {tenant} is at {public}", advice) from missing

    return read


def read_manifest(read: Read) -> tuple[bytes, "Manifest"]:
    """Its bytes, and what they say. Raises SnapshotInvalid."""
    from hallmark_events.manifest import Manifest

    data = read("manifest.json")
    return data, Manifest.parse(data)


def beside(read: Read, data: bytes) -> tuple[bytes, bytes]:
    """Signature and proof of these very manifest bytes: they lie under its SHA-256, so no other is met meanwhile."""
    from hallmark_events.manifest import sha256_hex

    digest = sha256_hex(data)
    return read(f"sets/{digest}.sig"), read(f"sets/{digest}.tlog-proof")
