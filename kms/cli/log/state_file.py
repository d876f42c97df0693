"""The file in which an audit or a monitor remembers how far it is: read once, written whole, now and then."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from kms.cli.failure import not_usable
from kms.cli.output import read_file, write_file

if TYPE_CHECKING:
    from hallmark_tlog.audit_state import AuditState

_EVERY_SECONDS: Final = 5.0
_MAX_BYTES: Final = 2_000_000


class StateFile:
    """`keep` may be called for every bundle: it writes every five seconds, `going_on` sees to the rest."""

    def __init__(self, path: Path, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._monotonic = monotonic
        self._written_at = monotonic()
        self._unwritten: AuditState | None = None
        self._settled: bytes | None = None
        """What was there before anything was kept: the last state that held."""
        self._is_ahead = False
        """The file has what is not settled."""

    def read(self) -> "AuditState | None":
        """None when there is none yet. Raises CommandError."""
        from hallmark_tlog.audit_state import parse_audit_state
        from hallmark_tlog.errors import FormatError

        if not os.access(self.path.parent, os.W_OK | os.X_OK):
            # Said now, not after hours of reading.
            advice = "Give --state a file in a folder that exists and where you may write"
            raise not_usable("STATE_FOLDER", f"nothing can be written to {self.path.parent}", advice)
        if not self.path.exists():
            return None
        self._settled = read_file(self.path, _MAX_BYTES)
        try:
            return parse_audit_state(self._settled)
        except FormatError as error:
            advice = "Give the file that this command wrote, or another name to begin anew"
            raise not_usable("STATE_INVALID", f"{self.path} is not an audit's state: {error}", advice) from error

    def write(self, state: "AuditState") -> None:
        """A state that holds."""
        self._settled, self._unwritten, self._is_ahead = bytes(state), None, False
        write_file(self.path, self._settled)

    def keep(self, state: "AuditState") -> None:
        """How far an audit is, whose end is not known."""
        self._unwritten = state
        if self._monotonic() - self._written_at >= _EVERY_SECONDS:
            self._write_unwritten()

    def take_back(self) -> None:
        """What was kept belongs to a log that does not hold: the file is again as it was."""
        self._unwritten = None
        if not self._is_ahead:
            return
        if self._settled is None:
            self.path.unlink(missing_ok=True)
        else:
            write_file(self.path, self._settled)
        self._is_ahead = False

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Work that may be stopped or lose its connection: what was kept is written then. A bad log takes it back."""
        from hallmark_tlog.errors import FetchError, TlogError

        try:
            yield
        except FetchError:
            self._write_unwritten()
            raise
        except TlogError:
            self.take_back()
            raise
        except BaseException:
            self._write_unwritten()
            raise

    def _write_unwritten(self) -> None:
        if self._unwritten is not None:
            write_file(self.path, bytes(self._unwritten))
            self._written_at, self._unwritten, self._is_ahead = self._monotonic(), None, True
