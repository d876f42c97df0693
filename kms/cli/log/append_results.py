"""What became of each line of a file of events: written as answers come, read by the run that goes on."""

import json
import os
import uuid
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Final, Self

from kms.cli.failure import not_usable

if TYPE_CHECKING:
    from hallmark_client.errors import HallmarkError
    from hallmark_client.model.appending import Appended
    from kms.cli.log.event_lines import Line

_RUN: Final = "run"


def document_of(appended: "Appended") -> dict[str, Any]:
    """Without salts: `log open` tells them as long as they exist, a file would keep them after their erasure."""
    promise = appended.log
    return {
        "event_key": promise.event_key,
        "leaf_index": promise.leaf_index,
        "leaf_hash": promise.leaf_hash.hex(),
        "replayed": appended.replayed,
    }


def result_of(line: "Line", outcome: "Appended | HallmarkError") -> dict[str, Any]:
    from hallmark_client.errors import HallmarkError

    about: dict[str, Any] = {"line": line.number, "request_id": line.request_id}
    if isinstance(outcome, HallmarkError):
        return {**about, "error": {"reason": outcome.reason, "message": outcome.message}}
    return {**about, **document_of(outcome)}


class ResultsFile:
    """JSON lines: the id of the run, then a result each. `done`: lines that are in the log; refused ones are not."""

    def __init__(self, path: Path, new_run: str) -> None:
        """Goes on with the file that is there. Raises CommandError for one that is no file of results, OSError."""
        self.path = path
        self.done: set[int] = set()
        self.run = uuid.UUID(new_run)
        self._file: BinaryIO = path.open("r+b" if path.exists() else "x+b")
        try:
            end = self._read()
            self._file.seek(end)
            self._file.truncate()  # a line that a crash cut off
            if not end:
                self._write({_RUN: str(self.run)})
        except BaseException:
            self._file.close()
            raise

    def add(self, result: dict[str, Any]) -> None:
        self._write(result)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def _write(self, document: dict[str, Any]) -> None:
        self._file.write(json.dumps(document, separators=(",", ":")).encode() + b"\n")
        self._file.flush()

    def _read(self) -> int:
        """Where the last whole line ends."""
        end = 0
        for number, data in enumerate(self._file):
            if not data.endswith(b"\n"):
                break
            try:
                self._take(json.loads(data), is_first=number == 0)
            except (ValueError, KeyError, TypeError) as error:
                advice = "Give the file that this command wrote, or another name to begin anew"
                problem = f"{self.path}, line {number + 1}, is no result of this command"
                raise not_usable("RESULTS_INVALID", problem, advice) from error
            end += len(data)
        return end

    def _take(self, document: dict[str, Any], *, is_first: bool) -> None:
        """Raises ValueError, KeyError, TypeError."""
        if is_first:
            self.run = uuid.UUID(document[_RUN])
        elif "error" not in document:
            self.done.add(int(document["line"]))
