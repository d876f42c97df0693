"""The auditor's page: static files beside the log, on which a browser verifies the log by itself.

`/` is index.html, everything else is below `/page/`. The sources of the scripts are in clients/web; what tsc makes of
them is kept here, so that nobody needs npm to serve the page. It may load nothing but its own files and read nothing
but the public files of this server; a static server gets the same rule from a tag in index.html.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE_FOLDER = Path(__file__).parent / "page"
PAGE_HEADERS: Mapping[str, str] = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
}
_INDEX = "index.html"
_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True, slots=True)
class PageFile:
    content: bytes
    media_type: str


def load_page() -> dict[str, PageFile]:
    """Every file of the page by its public path: `` and `index.html`, `page/style.css`, `page/tlog/merkle.js`."""
    files = {}
    for path in sorted(PAGE_FOLDER.rglob("*")):
        if path.suffix in _TYPES:
            files[f"page/{path.relative_to(PAGE_FOLDER).as_posix()}"] = PageFile(path.read_bytes(), _TYPES[path.suffix])
    index = files.pop(f"page/{_INDEX}")
    return {"": index, _INDEX: index, **files}
