"""Releases of models: built, signed, published, verified. Verifying needs no service and no network:

    release = verify_release(FolderSource(path), "example-7b", ReleaseTrust.load(trust), now=now, state=state)
    for piece in verify_pieces(part, source.stream(part.location)): ...      # each part, as it arrives
    open_part(part, signed, encrypted=file, key=key, context=release.index.context(part))

docs/releases.md tells the formats and what is trusted for what.
"""

from hallmark_release.build import BuiltRelease, build_release, load_built, new_release_id
from hallmark_release.bundle import verify_bundle, write_bundle
from hallmark_release.client import Freshness, ReleaseFiles, fetch_release
from hallmark_release.composite_bundle import verify_composite_bundle, write_composite_bundle
from hallmark_release.dsse import pae
from hallmark_release.errors import ReleaseError
from hallmark_release.folder import VerifiedFolder, verify_folder
from hallmark_release.index import IndexPart, ReleaseIndex, parse_index
from hallmark_release.log_proof import LoggedRelease, verify_log_proof, write_log_proof
from hallmark_release.pieces import (
    VerifiedPart,
    VerifiedPiece,
    good_pieces,
    open_part,
    verify_piece,
    verify_pieces,
)
from hallmark_release.repository import Repository, RoleStatus
from hallmark_release.roles import Role, RoleKey, RoleKeys, RoleSigner
from hallmark_release.source import FolderSource, HttpSource, ReleaseSource, open_source
from hallmark_release.statement import ReleaseId, SignedFile, Statement, parse_statement
from hallmark_release.trust import ReleaseTrust
from hallmark_release.verify import VerifiedParts, VerifiedRelease, verify_files, verify_parts, verify_release

__all__ = [
    "BuiltRelease",
    "FolderSource",
    "Freshness",
    "HttpSource",
    "IndexPart",
    "LoggedRelease",
    "ReleaseError",
    "ReleaseFiles",
    "ReleaseId",
    "ReleaseIndex",
    "ReleaseSource",
    "ReleaseTrust",
    "Repository",
    "Role",
    "RoleKey",
    "RoleKeys",
    "RoleSigner",
    "RoleStatus",
    "SignedFile",
    "Statement",
    "VerifiedFolder",
    "VerifiedPart",
    "VerifiedParts",
    "VerifiedPiece",
    "VerifiedRelease",
    "build_release",
    "fetch_release",
    "good_pieces",
    "load_built",
    "new_release_id",
    "open_part",
    "open_source",
    "pae",
    "parse_index",
    "parse_statement",
    "verify_bundle",
    "verify_composite_bundle",
    "verify_files",
    "verify_folder",
    "verify_log_proof",
    "verify_parts",
    "verify_piece",
    "verify_pieces",
    "verify_release",
    "write_bundle",
    "write_composite_bundle",
    "write_log_proof",
]
