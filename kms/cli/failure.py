"""From an exception to what a user reads: what happened, what to do next, and an exit code. One place for all."""

import contextlib
import enum
import errno
import json
import os
import re
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import click

from kms.cli.advice import ADVICE, how_to_propose, where_to_look
from kms.cli.device_advice import DEVICE_ADVICE, DEVICE_NOT_SO
from kms.cli.invocation import Invocation


class ExitCode(enum.IntEnum):
    """What a script may rely on; `hallmark --help` says the same."""

    OK = 0
    NOT_SO = 1
    NOT_USABLE = 2
    SERVER_SAYS_NO = 3
    NOT_REACHABLE = 4
    DEFECT = 70
    """A fault of this program (EX_SOFTWARE of sysexits.h)."""


class CommandError(Exception):
    """A refusal of the command line itself. `advice` says what to do next."""

    def __init__(self, reason: str, message: str, *, exit_code: ExitCode, advice: str = "") -> None:
        super().__init__(message)
        self.reason = reason
        self.exit_code = exit_code
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Failure:
    """reason: UPPER_SNAKE, for programs. message: what happened. advice: what to do next, may be empty."""

    exit_code: ExitCode
    reason: str
    message: str
    advice: str = ""


def not_so(reason: str, message: str, advice: str = "") -> CommandError:
    """What was asked about is not so."""
    return CommandError(reason, message, exit_code=ExitCode.NOT_SO, advice=advice)


def not_usable(reason: str, message: str, advice: str = "") -> CommandError:
    """The command can not work with what it was given."""
    return CommandError(reason, message, exit_code=ExitCode.NOT_USABLE, advice=advice)


def report(error: Exception, invocation: Invocation) -> int:
    """Tell the user, on stderr and with --json also on stdout; gives the exit code."""
    if isinstance(error, BrokenPipeError):
        _quiet_broken_pipe()
        return ExitCode.NOT_SO
    if invocation.debug:
        traceback.print_exception(error)
    if isinstance(error, click.ClickException):
        error.show()
        failure = Failure(ExitCode.NOT_USABLE, "USAGE", error.format_message())
    else:
        failure = explain(error)
        click.echo(f"hallmark: {_sentence(failure.message)}", err=True)
        if failure.advice:
            click.echo(f"          {_sentence(failure.advice)}", err=True)
    if invocation.json:
        facts = {"reason": failure.reason, "message": failure.message, "advice": failure.advice}
        click.echo(json.dumps({"error": facts}))
    return failure.exit_code


def explain(error: Exception) -> Failure:
    """What an exception means to the user."""
    if isinstance(error, CommandError):
        return Failure(error.exit_code, error.reason, str(error), error.advice)
    if isinstance(error, OSError):
        return _file_failure(error)
    # By package, so that nothing has to be imported to ask. An error that can be raised has been imported already.
    package = type(error).__module__.partition(".")[0]
    if package in _BY_PACKAGE:
        return _BY_PACKAGE[package](error)
    text = f"{type(error).__name__}: {error}"
    return Failure(ExitCode.DEFECT, "DEFECT", f"this should not have happened: {text}", _REPORT_IT)


_REPORT_IT: Final = "Run the command again with --debug and report what it shows"


def _file_failure(error: OSError) -> Failure:
    if not error.filename:  # not about a file that has a name: a port that is taken, a socket, where output goes
        advice = "Make room where the output goes and run it again" if error.errno == errno.ENOSPC else ""
        return Failure(ExitCode.NOT_USABLE, "SYSTEM", error.strerror or str(error), advice)
    where = error.filename if isinstance(error.filename, str) else os.fsdecode(error.filename)
    advice = {
        errno.ENOENT: "Check the path; it is seen from the folder you are in",
        errno.EACCES: "Check who may read or write there",
        errno.ENOSPC: "Make room and run the command again",
    }.get(error.errno or 0, "")
    return Failure(ExitCode.NOT_USABLE, "FILE", f"{where}: {error.strerror or error}", advice)


_NOT_SO: Final = frozenset({"EnvelopeInvalid", "SignatureInvalid", "VerificationFailed", "ManifestMismatch"})
_NOT_USABLE: Final = frozenset({"ProfileInvalid", "ManifestInvalid"})
_UNUSABLE_REASONS: Final = frozenset({"PUBLIC_KEY_INVALID", "KEY_FILE_INVALID", "WRAPPING_KEY_EXPIRED"})
_NOT_REACHABLE: Final = frozenset({"DeadlineExceeded"})
_SAID_BY_THE_SERVER: Final = frozenset(
    {"DATABASE_UNAVAILABLE", "HSM_UNAVAILABLE", "ISSUER_UNAVAILABLE", "SHUTTING_DOWN", "WITNESSES_UNAVAILABLE"}
)


def _device_failure(error: Any) -> Failure:
    """A hallmark_client.device.errors.DeviceError: the vault says no, or can not be used like this."""
    code = ExitCode.NOT_SO if error.reason in DEVICE_NOT_SO else ExitCode.NOT_USABLE
    return Failure(code, error.reason, error.message, DEVICE_ADVICE.get(error.reason, ""))


def _client_failure(error: Exception) -> Failure:
    """An error of hallmark_client, which has reason, message, metadata and retry_after_seconds."""
    found: Any = error
    if any(kind.__name__ == "DeviceError" for kind in type(error).__mro__):
        return _device_failure(error)
    advice = ADVICE.get(found.reason, "")
    if found.reason == "APPROVAL_REQUIRED" and "act" in found.metadata:
        advice = how_to_propose(found.metadata)
    if found.reason == "RESOURCE_NOT_FOUND":
        advice = where_to_look(found.metadata.get("resource") or found.message)
    match type(error).__name__:
        case name if name in _NOT_USABLE or found.reason in _UNUSABLE_REASONS:
            return Failure(ExitCode.NOT_USABLE, found.reason, found.message, advice)
        case name if name in _NOT_SO:
            return Failure(ExitCode.NOT_SO, found.reason, found.message, advice)
        case "TransportRefused":
            advice = advice or _profile_advice(found.message)
            return Failure(ExitCode.NOT_REACHABLE, found.reason, found.message, advice)
        case name if name in _NOT_REACHABLE:
            return Failure(ExitCode.NOT_REACHABLE, found.reason, found.message, advice or _START_IT)
        case "Unavailable" if found.reason not in _SAID_BY_THE_SERVER:
            return Failure(ExitCode.NOT_REACHABLE, found.reason, found.message, _START_IT)
        case "Internal" if "call_id" in found.metadata:
            advice = f"The server's log tells more under {found.metadata['call_id']}"
        case "ResourceExhausted" if found.retry_after_seconds is not None and not advice:
            advice = f"Try again in {found.retry_after_seconds:.1f} seconds"
        case _:
            pass
    return Failure(ExitCode.SERVER_SAYS_NO, found.reason, found.message, advice)


def _profile_advice(message: str) -> str:
    """A token on the port for certificates is no matter of authorities."""
    return "" if "identity.token_port" in message else _USE_ITS_PROFILE


_USE_ITS_PROFILE: Final = "Use a profile folder that this server wrote (HOME/clients/); its authority and ours differ"
_START_IT: Final = "Is it running? `hallmark serve` starts it; --home or --profile says where it is"


def _log_failure(error: Exception) -> Failure:
    """An error of hallmark_tlog: the log is not what it must be, or can not be read."""
    reason = f"LOG_{_snake(error)}"
    if type(error).__name__ == "FetchError":
        advice = "Check the folder or the URL, and that the server of the public files runs"
        return Failure(ExitCode.NOT_REACHABLE, reason, str(error), advice)
    return Failure(ExitCode.NOT_SO, reason, str(error))


def _composite_failure(error: Exception) -> Failure:
    return Failure(ExitCode.NOT_SO, "SIGNATURE_INVALID", str(error), ADVICE["SIGNATURE_INVALID"])


def _evidence_failure(error: Exception) -> Failure:
    name = type(error).__name__
    reason = {"CollateralError": "COLLATERAL", "ArgumentError": "ARGUMENT"}.get(name, "EVIDENCE")
    code = ExitCode.NOT_SO if reason == "EVIDENCE" else ExitCode.NOT_USABLE
    return Failure(code, reason, str(error))


def _hsm_failure(error: Exception) -> Failure:
    return Failure(ExitCode.NOT_USABLE, "HSM", str(error))


def _service_failure(error: Exception) -> Failure:
    """The server could not start: settings, a home in use, a log that must not go on."""
    return Failure(ExitCode.NOT_USABLE, _snake(error), str(error))


def _snake(error: Exception) -> str:
    """UPPER_SNAKE of the error's name: ConfigError is CONFIG_ERROR."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).upper()


def _release_failure(error: Exception) -> Failure:
    """An error of hallmark_release: the release does not hold, or can not be read."""
    found: Any = error
    return Failure(ExitCode(found.category), found.reason, str(error), found.advice)


_BY_PACKAGE: Final[dict[str, Callable[[Exception], Failure]]] = {
    "hallmark_client": _client_failure,
    "hallmark_release": _release_failure,
    "hallmark_tlog": _log_failure,
    "hallmark_composite": _composite_failure,
    "attestation": _evidence_failure,
    "hsm": _hsm_failure,
    "kms": _service_failure,
}


def _sentence(text: str) -> str:
    """With one full stop at its end."""
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _quiet_broken_pipe() -> None:
    """The reader left (`hallmark watch | head`): nothing more is written, not even at exit."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
