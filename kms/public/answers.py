"""What the read plane answers for a path: the bytes of a file and the headers that go with them, ready to be sent.

kms.public.kinds says how each file is served; `` and `page/` are the auditor's page (kms.public.auditor_page), also
below the prefix of a log that follows another one (kms.log.keys.succession). Files that never change are kept in memory
for a while once somebody asked for them. Not for ever, although every other cache may: an operator who puts a damaged
file right again need not restart the service.
"""

import gzip
import hashlib
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from kms.public.auditor_page import PAGE_HEADERS, load_page
from kms.public.errors import PublicPathInvalid
from kms.public.files import check_path
from kms.public.kinds import Kind, kind_of

KEPT_BYTES_MAX: Final = 64 * 1024 * 1024
"""8,000 full tiles: those of a log of two million entries."""
KEPT_SECONDS: Final = 60.0
_OPEN_TO_ALL: Final = {"access-control-allow-origin": "*", "x-content-type-options": "nosniff"}
_PAGE_BELOW: Final = re.compile(r"(logs/[1-9][0-9]{0,8})/((?:page/.+)?)", re.ASCII)
Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Answer:
    """One file in one coding. `headers` lack its length; `etag` has its quotation marks and is among them too."""

    body: bytes
    etag: str
    headers: Sequence[Header]


class Answers:
    """Those of one folder. `kept` never blocks; `read` does, and may run in any thread: it keeps nothing itself."""

    def __init__(self, folder: Path, *, kept_bytes_max: int, monotonic: Callable[[], float]) -> None:
        """`kept_bytes_max` 0 keeps nothing."""
        self._root = folder.resolve()
        self._kept_bytes_max = kept_bytes_max
        self._monotonic = monotonic
        self._page = {
            path: make_answer(file.content, Kind(file.media_type), PAGE_HEADERS) for path, file in load_page().items()
        }
        self._kept: OrderedDict[tuple[str, bool], tuple[Answer, float]] = OrderedDict()
        """By path and whether the reader takes gzip, with when it ends; what was not asked for longest is first."""
        self._kept_bytes = 0

    def kept(self, path: str, *, takes_gzip: bool) -> Answer | None:
        if (of_page := self._page.get(path)) is not None:
            return of_page
        answer, end = self._kept.get((path, takes_gzip), (None, 0.0))
        if answer is None or end < self._monotonic():
            return None
        self._kept.move_to_end((path, takes_gzip))
        return answer

    def read(self, path: str, *, takes_gzip: bool) -> Answer | None:
        """None when there is no such file."""
        if (below := _PAGE_BELOW.fullmatch(path)) is not None and (self._root / below[1] / "checkpoint").is_file():
            return self._page.get(below[2])
        try:
            target = (self._root / check_path(path)).resolve()
            if not target.is_relative_to(self._root):  # a symbolic link that leads out
                return None
            content = target.read_bytes()
        except (PublicPathInvalid, OSError):
            return None
        return make_answer(content, kind_of(path), takes_gzip=takes_gzip)

    def keep(self, path: str, answer: Answer, *, takes_gzip: bool) -> None:
        """If the file never changes. What does not fit any more is forgotten."""
        if not kind_of(path).is_immutable:
            return
        if (before := self._kept.pop((path, takes_gzip), None)) is not None:
            self._kept_bytes -= len(before[0].body)
        self._kept[path, takes_gzip] = answer, self._monotonic() + KEPT_SECONDS
        self._kept_bytes += len(answer.body)
        while self._kept_bytes > self._kept_bytes_max:
            _, (forgotten, _) = self._kept.popitem(last=False)
            self._kept_bytes -= len(forgotten.body)


def make_answer(
    content: bytes, kind: Kind, extra: Mapping[str, str] | None = None, *, takes_gzip: bool = False
) -> Answer:
    """The ETag is the SHA-256 of the content, with a suffix for its gzip form: another coding is another entity."""
    etag = f'"{hashlib.sha256(content).hexdigest()}"'
    headers = {**_OPEN_TO_ALL, **(extra or {}), "cache-control": kind.cache_control, "content-type": kind.media_type}
    if kind.compress:
        headers["vary"] = "accept-encoding"
        if takes_gzip:
            etag = f'{etag[:-1]}-gzip"'
            headers["content-encoding"] = "gzip"
            content = gzip.compress(content, compresslevel=1, mtime=0)
    headers["etag"] = etag
    return Answer(content, etag, [(name.encode(), value.encode()) for name, value in headers.items()])
