"""A repository as a publisher opens it: by the root and the memory in its trust folder, which is not served."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from hallmark_release.repository import Repository
    from hallmark_release.roles import RoleSigner

SEEN_FILE: Final = "publisher-seen.json"
"""The versions that were signed here. Verifiers do not need it."""


def open_repository(folder: Path, trust: Path, signer: "RoleSigner") -> "Repository":
    """Raises TrustUnusable."""
    from hallmark_release.repository import Repository
    from hallmark_release.trust import ReleaseTrust

    return Repository(folder, signer, pinned=ReleaseTrust.load(trust).root, seen=trust / SEEN_FILE)
