"""Judges whole folders of samples and counts what came out right."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from attestation.errors import AttestationError
from attestation.samples.expected import Comparison, compare
from attestation.samples.sample import Folder, Row
from attestation.samples.vendors import VENDORS

MAX_EXPECTED_BYTES: Final = 16 * 1024 * 1024
_NAME: Final = "expected.json"


class SamplesError(AttestationError):
    """A folder that is not a set of samples."""


@dataclass(frozen=True, slots=True)
class Score:
    """One row, or a set that can not be read. `comparison` is None where something raised; `problem` then says what.
    `milliseconds`: the verdict's.
    """

    vendor: str
    id: str
    comparison: Comparison | None
    problem: str | None
    milliseconds: float | None

    @property
    def right(self) -> bool:
        return self.comparison is not None and self.comparison.right


def find_sets(root: Path) -> list[Path]:
    """Folders with an expected.json: `root` itself, or those in it. Raises SamplesError when there are none."""
    if (root / _NAME).is_file():
        return [root]
    found = sorted(path.parent for path in root.glob(f"*/{_NAME}"))
    if not found:
        raise SamplesError(f"{root} holds no {_NAME}, nor does any folder in it")
    return found


def load_set(path: Path) -> tuple[str, Folder]:
    """Vendor and rows. Raises SamplesError."""
    file = path / _NAME
    try:
        if file.stat().st_size > MAX_EXPECTED_BYTES:
            raise SamplesError(f"{file} has more than {MAX_EXPECTED_BYTES} bytes")
        document: Any = json.loads(file.read_bytes())
    except OSError as error:
        raise SamplesError(f"{file} can not be read: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise SamplesError(f"{file} is not a list of samples: it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise SamplesError(f"{file} is not a list of samples: it must be an object with the member vectors")
    rows = document.get("vectors")
    if not isinstance(rows, list):
        raise SamplesError(f"{file} is not a list of samples: its member vectors must be an array")
    for at, row in enumerate(rows):
        if not isinstance(row, dict) or "id" not in row:
            raise SamplesError(f"{file} is not a list of samples: vectors[{at}] must be an object with an id")
    return str(document.get("vendor", path.name)), Folder(path, {str(row["id"]): row for row in rows})


def unreadable_set(path: Path, problem: str) -> Score:
    """What stands for a whole set that could not be read: one exception under the name of its folder."""
    return Score(path.name, _NAME, None, problem, None)


def score_set(vendor: str, folder: Folder, *, timer: Callable[[], float]) -> Iterator[Score]:
    """Each row that is evidence. `timer` gives seconds. Whatever a row makes raise is an answer, too."""
    for row in folder.rows.values():
        if row.get("authentic") is not None:
            yield _score(vendor, folder, row, timer)


def _score(name: str, folder: Folder, row: Row, timer: Callable[[], float]) -> Score:
    try:
        vendor = VENDORS.get(name)
        if vendor is None:
            raise SamplesError(f"evidence of {name!r} is not known here; known are {', '.join(VENDORS)}")
        sample = vendor.load(row, folder)
        started = timer()
        strict = sample.judge_strictly()
        milliseconds = (timer() - started) * 1000
        comparison = compare(row, strict, sample.judge_leniently(), phrases=vendor.phrases)
    except Exception as error:  # counted: nothing in a set of samples may raise
        return Score(name, str(row["id"]), None, f"{type(error).__name__}: {error}", None)
    found = ", ".join(strict.reasons) or "accepted"
    problem = None if comparison.right else f"expected {row['verdict']} {row['reason']}".strip() + f"; found {found}"
    return Score(name, str(row["id"]), comparison, problem, milliseconds)
