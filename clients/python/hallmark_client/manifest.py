"""Folder manifests: what is signed when a folder is signed.

A manifest is canonical JSON (RFC 8785; no numbers but sizes) in UTF-8:
{"exclude":[patterns],"files":[{"path","sha256","size"} | {"link","path"}, ...],"format":"hallmark-manifest/v1"}
Every regular file stands there with its SHA-256 (hex) and size; a symbolic link stands there with its target text and is
never followed; empty folders do not count. Paths are relative, POSIX, sorted by code point. The patterns that were left
out are part of what is signed, so a verifier leaves out the same and nothing more.
"""

import fnmatch
import hashlib
import json
import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

from hallmark_client.errors import ManifestInvalid, ManifestMismatch
from hallmark_client.model.result import Result

FORMAT: Final = "hallmark-manifest/v1"
MAX_MANIFEST_BYTES: Final = 64 * 1024 * 1024
