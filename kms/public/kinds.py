"""What kind of file stands at a public path: its type, how long it may be kept, whether it ever changes.

path                        type                        cache
checkpoint                  text/plain; charset=utf-8   no-store: the newest one is the point
tile/..., tile/entries/...  application/octet-stream    a week, immutable: these bytes never change (C2SP tlog-tiles)
history/1234                text/plain; charset=utf-8   a week, immutable
trust/.../bundle-7.json     application/json            a week, immutable
receipt-keys                application/cose-key-set    no-cache
status/.../sets/...         application/octet-stream    a week, immutable: named by the SHA-256 of its content
status/.../manifest...      by its ending               ten seconds: what is revoked now, and where to go on
status/.../lists/7.jwt      application/statuslist+jwt  ten seconds (.cwt: application/statuslist+cwt)
status/.../jwks.json        application/jwk-set+json    ten seconds
anything else               by its ending               no-cache: may be kept, but asked about again (ETag)

Paths may stand below a prefix, such as `log/checkpoint`. The service's own HTTP port and an object store tell readers
the same.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

_TILE = re.compile(r"(?:.*/)?tile/(?P<bundle>entries/)?[0-9x./p]+", re.ASCII)
_HISTORY = re.compile(r"(?:.*/)?history/(?:0|[1-9][0-9]*)", re.ASCII)
_TRUST_BUNDLE = re.compile(r"(?:.*/)?trust/[a-z0-9-]+/bundle-[0-9]+\.json", re.ASCII)
_STATUS_SET = re.compile(r"(?:.*/)?status/[a-z0-9-]+/sets/[0-9a-f]{64}(?:\.sig|\.tlog-proof)?", re.ASCII)
_STATUS = re.compile(r"(?:.*/)?status/[a-z0-9-]+/(?:manifest|lists|jwks)(?:/[0-9]+)?(?P<ending>\.[a-z-]+)", re.ASCII)
_CHECKPOINT = re.compile(r"(?:.*/)?checkpoint", re.ASCII)
_TEXT = "text/plain; charset=utf-8"
_BYTES = "application/octet-stream"
_JSON = "application/json"
_TYPES = {".json": _JSON, ".html": "text/html; charset=utf-8", ".pem": "application/x-pem-file"}
_STATUS_TYPES = {
    ".json": _JSON,
    ".sig": _JSON,
    ".tlog-proof": _TEXT,
    ".jwt": "application/statuslist+jwt",  # draft-ietf-oauth-status-list-21, section 14.7
    ".cwt": "application/statuslist+cwt",
}


@dataclass(frozen=True, slots=True)
class Kind:
    """`compress` is for what shrinks: entry bundles, which tlog-tiles asks to compress."""

    media_type: str
    cache_control: str = "no-cache"
    compress: bool = False

    @property
    def is_immutable(self) -> bool:
        return self.cache_control == _IMMUTABLE


_IMMUTABLE = "public, max-age=604800, immutable"
_SHORT = "public, max-age=10"


def kind_of(path: str) -> Kind:
    """Of a public path, which need not exist."""
    if match := _TILE.fullmatch(path):
        return Kind(_BYTES, _IMMUTABLE, compress=match["bundle"] is not None)
    if _HISTORY.fullmatch(path):
        return Kind(_TEXT, _IMMUTABLE)
    if _TRUST_BUNDLE.fullmatch(path):
        return Kind(_JSON, _IMMUTABLE)
    if _STATUS_SET.fullmatch(path):
        return Kind(_BYTES, _IMMUTABLE)
    if (match := _STATUS.fullmatch(path)) and match["ending"] in _STATUS_TYPES:
        is_keys = path.endswith("/jwks.json")  # RFC 7517, section 8.5.2
        return Kind("application/jwk-set+json" if is_keys else _STATUS_TYPES[match["ending"]], _SHORT)
    if _CHECKPOINT.fullmatch(path):
        return Kind(_TEXT, "no-store")
    name = PurePosixPath(path).name
    if name == "receipt-keys":
        return Kind("application/cose-key-set")  # RFC 9052, section 10.6
    return Kind(_TYPES.get(PurePosixPath(path).suffix, _TEXT if "." not in name else _BYTES))
