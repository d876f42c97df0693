"""Whose signatures a command asks for, and where it reads the log: --vkey, --policy, --origin, --public."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from kms.cli.failure import not_usable
from kms.cli.invocation import Command
from kms.cli.output import read_file
from kms.cli.receipt import read_vkeys

if TYPE_CHECKING:
    from hallmark_tlog.acceptance import Accept
    from hallmark_tlog.fetch import Fetch
    from hallmark_tlog.policy import Policy
    from hallmark_tlog.verify import Signer
    from hallmark_tlog.vkey import VerifierKey

_MAX_POLICY_BYTES: Final = 4_000_000
_CHECKPOINT: Final = "checkpoint"
_CONNECTIONS: Final = 8
_MAX_NOTE_BYTES: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Trust:
    """What was given. `origin` is None when only a policy with several logs was."""

    accept: "Accept"
    origin: str | None
    vkeys: tuple["VerifierKey", ...]
    policy: "Policy | None"
    policy_text: str

    def as_policy(self) -> tuple["Policy", str]:
        """The policy with its text; one that asks for every given key where only those were given."""
        if self.policy is not None:
            return self.policy, self.policy_text
        assert self.origin is not None
        made = _policy_of(self.vkeys, self.origin)
        return made, str(made)


def trust_options(*, needed: bool) -> Callable[[Command], Command]:
    """--vkey, --policy and --origin, handed over as one argument `trust`: a Trust, None when nothing was given."""

    def decorate(function: Command) -> Command:
        @functools.wraps(function)
        def command(*, vkeys: tuple[str, ...], policy: Path | None, origin: str | None, **rest: Any) -> Any:
            if not vkeys and policy is None:
                if needed:
                    read_vkeys(())  # says which key is missing and where to get it
                return function(trust=None, **rest)
            return function(trust=_read(vkeys, policy, origin), **rest)

        options = (
            click.option(
                "--vkey", "vkeys", multiple=True, metavar="KEY|FILE", help="Key of the log; each given one must sign."
            ),
            click.option(
                "--policy",
                type=click.Path(path_type=Path, dir_okay=False),
                help="A tlog-policy file: a log of it must have signed, its quorum of witnesses cosigned.",
            ),
            click.option("--origin", help="Name of the log. Default: that of the first --vkey, or of the policy."),
        )
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


def fetcher(public: str) -> "Fetch":
    from hallmark_tlog.fetch import folder_fetcher, http_fetcher

    return http_fetcher(public) if is_url(public) else folder_fetcher(public)


def connections_to(public: str) -> int:
    """Over a network, files are fetched ahead; a folder is faster than a thread."""
    return _CONNECTIONS if is_url(public) else 1


def is_url(public: str) -> bool:
    return public.startswith(("http://", "https://"))


@contextmanager
def log_at(public: str) -> Iterator[None]:
    """A place without a checkpoint is a mistake in --public, not a broken log."""
    from hallmark_tlog.errors import MissingResource

    try:
        yield
    except MissingResource as missing:
        if missing.path != _CHECKPOINT:
            raise
        advice = "Give the folder or URL that has the file `checkpoint`, such as hallmark-data/public"
        raise not_usable("LOG_MISSING", f"there is no log at {public}", advice) from missing


def read_note(file: Path) -> bytes:
    """A checkpoint that was kept in a file. Raises OSError, CommandError for a file that is none."""
    from hallmark_tlog.checkpoint import parse_checkpoint
    from hallmark_tlog.errors import FormatError
    from hallmark_tlog.note import parse_note

    data = read_file(file, _MAX_NOTE_BYTES)
    try:
        parse_checkpoint(parse_note(data).text)
    except FormatError as error:
        raise not_usable("CHECKPOINT_INVALID", f"{file} is not a signed checkpoint: {error}") from error
    return data


def signer_facts(signers: "Sequence[Signer]") -> list[dict[str, Any]]:
    """For --json."""
    return [{"name": signer.name, "type": signer.type, "time": signer.timestamp} for signer in signers]


def signer_names(signers: "Sequence[Signer]") -> list[str]:
    from hallmark_tlog.pack_readme import type_name

    return [f"{signer.name} ({type_name(signer.type)})" for signer in signers]


def _read(given: tuple[str, ...], policy_file: Path | None, origin: str | None) -> Trust:
    from hallmark_tlog.acceptance import accept_all_of, accept_by_policy, accept_signed_by
    from hallmark_tlog.verify import Require

    vkeys = tuple(read_vkeys(given)) if given else ()
    policy, text = (None, "") if policy_file is None else _read_policy(policy_file)
    if origin is None:
        names = [key.name for key in vkeys[:1]] or [log.vkey.name for log in (policy.logs if policy else ())]
        origin = names[0] if len(set(names)) == 1 else None
    accepts: list[Accept] = []
    if vkeys and origin is not None:
        accepts.append(accept_signed_by(vkeys, origin=origin, require=Require.ALL))
    if policy is not None:
        accepts.append(accept_by_policy(policy, origin=origin))
    return Trust(accept_all_of(accepts), origin, vkeys, policy, text)


def _read_policy(file: Path) -> "tuple[Policy, str]":
    from hallmark_tlog.errors import FormatError
    from hallmark_tlog.policy import parse_policy

    data = read_file(file, _MAX_POLICY_BYTES)
    try:
        policy = parse_policy(data)
    except FormatError as error:
        raise not_usable("POLICY_INVALID", f"{file} is not a tlog-policy: {error}") from error
    if not policy.logs:
        raise not_usable("POLICY_INVALID", f"{file} names no log", "Add a line: log VKEY")
    return policy, data.decode()


def _policy_of(vkeys: "Sequence[VerifierKey]", origin: str) -> "Policy":
    from hallmark_tlog.policy import NONE, Group, Policy, PolicyLog, Witness

    logs = tuple(PolicyLog(key) for key in vkeys if key.name == origin)
    others = [key for key in vkeys if key.name != origin]
    witnesses = tuple(Witness(f"witness-{number}", key) for number, key in enumerate(others, 1))
    if not witnesses:
        return Policy(logs, (), (), NONE)
    group = Group("witnesses", len(witnesses), tuple(witness.name for witness in witnesses))
    return Policy(logs, witnesses, (group,), group.name)
