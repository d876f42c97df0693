"""How a command of a device says what came of it: to people, to programs (--json), on a terminal while it works."""

import json
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from hallmark_client.device.policy import PolicyInvalid
from hallmark_client.device.roots.choose import AddressInvalid
from hallmark_client.device.updates import Progress
from hallmark_client.errors import DeadlineExceeded, HallmarkError, ProfileInvalid, Unavailable
from hallmark_release.errors import ReleaseError, TrustUnusable

DONE: Final = 0
FAILED: Final = 1
USAGE: Final = 2
STOPPED: Final = 130
_WRONG_ARGUMENTS: Final = (AddressInvalid, PolicyInvalid, ProfileInvalid, TrustUnusable)

ADVICE: Final = {
    "ATTESTER_MISSING": "Give the --root that it was enrolled with",
    "DEVICE_REVOKED": "Whoever runs the service has taken trust back from this device: nothing on it may be used",
    "ENROLMENT_REFUSED": "The service's policy says which devices it takes: ask whoever runs it",
    "KEY_MISMATCH": "Give the --root that it was enrolled with",
    "LEASE_REQUIRED": "Its use needs a consent: --consent NAME, of one that was granted for this release and device",
    "NOT_ENROLLED": "First: python -m hallmark_client.device enrol --help",
    "POLICY_VIOLATION": "This vault has a policy already: leave out --allow and --policy",
    "RELEASE_REVOKED": "It was taken back. Nothing is to be done here: the next release comes by the same command",
    "RELEASE_SUSPENDED": "Only for a time: run the command again later, online",
    "ROLLED_BACK": "Older files of the vault were put back: put the newest ones back, or enrol in an empty folder",
    "ROOT_LOST": "Give the --root that this vault was made with; with that one gone, what it held is gone",
    "UPDATE_RUNNING": "Wait for it, then run the command again",
    "VAULT_IN_USE": "Most likely the agent has it. An agent updates by itself: python -m hallmark_client.device.agent "
    "with --follow MODEL=URL --trust DIR; or stop it (SIGTERM), and run the command again",
}
_NOT_REACHED: Final = "Is this device online, and the service running? Then run the command again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """facts: for programs. text: for people, lines. code: exit code."""

    facts: Mapping[str, Any]
    text: str
    code: int = DONE


def tell(told: Told, *, as_json: bool) -> int:
    """The exit code."""
    try:
        sys.stdout.write(f"{json.dumps(told.facts)}\n" if as_json else f"{told.text}\n")
        sys.stdout.flush()
    except OSError as error:
        with suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # nothing more is written, not even at exit
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"it is done, but the result can not be written: {error.strerror}\n")
        return FAILED
    return told.code


def tell_failure(error: HallmarkError | ReleaseError | OSError, *, as_json: bool) -> int:
    """On standard error, with what to do next; with --json as a document too. The exit code."""
    reason, message, advice = _explained(error)
    sys.stderr.write(f"{message} [{reason}]\n")
    if advice:
        sys.stderr.write(f"{advice}.\n")
    if as_json:
        told = Told(facts={"error": {"reason": reason, "message": message, "advice": advice}}, text="")
        tell(told, as_json=True)
    return USAGE if isinstance(error, _WRONG_ARGUMENTS) else FAILED


def _explained(error: HallmarkError | ReleaseError | OSError) -> tuple[str, str, str]:
    """Reason, message, advice."""
    if isinstance(error, ReleaseError):
        return error.reason, str(error), error.advice
    if isinstance(error, OSError):
        return "FILE", f"{error.filename or 'the system'}: {error.strerror or error}", ""
    advice = ADVICE.get(error.metadata.get("why", "")) or ADVICE.get(error.reason, "")
    if not advice and isinstance(error, Unavailable | DeadlineExceeded):
        advice = _NOT_REACHED
    return error.reason, error.message, advice


class Line:
    """What is going on, in one line of the terminal that is written over; elsewhere nothing."""

    def __init__(self) -> None:
        self._shown = ""

    def say(self, text: str) -> None:
        if text != self._shown and sys.stderr.isatty():
            sys.stderr.write(f"\r\x1b[K{text}")
            sys.stderr.flush()
            self._shown = text

    def progress(self, progress: Progress) -> None:
        """For `Device.update`."""
        percent = 100 * progress.done // max(progress.total, 1)
        self.say(f"{progress.stage.value}: {percent} % of {progress.total:,} bytes")

    def clear(self) -> None:
        self.say("")


@contextmanager
def line() -> Iterator[Line]:
    shown = Line()
    try:
        yield shown
    finally:
        shown.clear()
