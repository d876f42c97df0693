"""Reads status files from a folder or a URL; nothing is believed here."""

import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from kms.cli.failure import CommandError, ExitCode, not_so, not_usable
from kms.cli.log.trust import is_url

if TYPE_CHECKING:
    from hallmark_events.manifest import Manifest

Read = Callable[[str], bytes]
_BYTES_MAX: Final = 256 * 2**20
_SECONDS: Final = 30.0


def fetch_file(place: str, path: str) -> bytes | None:
    """A file below a folder or URL; None when it is not there. Raises CommandError, OSError."""
    if not is_url(place):
        file = Path(place) / path
        return file.read_bytes() if file.is_file() else None
    url = f"{place.rstrip('/')}/{path}"
    opener = urllib.request.build_opener(_NoRedirect)
    request = urllib.request.Request(url, headers={"Accept-Encoding": "identity"})  # noqa: S310 - is_url looked
    try:
        with opener.open(request, timeout=_SECONDS) as response:
            data: bytes = response.read(_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code in {404, 410}:
            return None
        raise _unreachable(url, f"is answered with {error.code}") from error
    except (OSError, HTTPException, ValueError) as error:
        raise _unreachable(url, f"can not be read: {error}") from error
    if len(data) > _BYTES_MAX:
        raise _unreachable(url, "is larger than any file of ours")
    return data


def reader(public: str, tenant: str) -> Read:
    """Of paths below status/{tenant}/. Raises CommandError for what is not there."""

    def read(path: str) -> bytes:
        data = fetch_file(public, f"status/{tenant}/{path}")
        if data is not None:
            return data
        if path == "manifest.json":
            advice = "Give the folder or URL that has status/TENANT/manifest.json; --tenant says which tenant"
            raise not_usable("STATUS_MISSING", f"no status of {tenant} is at {public}", advice)
        raise not_so("STATUS_BROKEN", f"status/{tenant}/{path} is named by the manifest and is not there")

    return read


def read_manifest(read: Read) -> tuple[bytes, "Manifest"]:
    """Its bytes, and what they say. Raises CommandError."""
    from hallmark_events.errors import SnapshotInvalid
    from hallmark_events.manifest import Manifest

    data = read("manifest.json")
    try:
        return data, Manifest.parse(data)
    except SnapshotInvalid as error:
        raise not_so("STATUS_BROKEN", str(error)) from error


def beside(read: Read, data: bytes) -> tuple[bytes, bytes]:
    """Signature and proof of these very manifest bytes: they lie under its SHA-256, so no other is met meanwhile."""
    from hallmark_events.manifest import sha256_hex

    digest = sha256_hex(data)
    return read(f"sets/{digest}.sig"), read(f"sets/{digest}.tlog-proof")


def _unreachable(url: str, why: str) -> CommandError:
    return CommandError("FILES_UNREACHABLE", f"{url} {why}", exit_code=ExitCode.NOT_REACHABLE)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: Any) -> None:
        """Answer with no further request: urllib then raises the redirect as an HTTPError."""
