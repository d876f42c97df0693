"""The log as its API tells it and as everybody reads it: signed, fresh, witnessed, and the same."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from hallmark_client.client import Client
from hallmark_client.errors import HallmarkError
from hallmark_client.model.capabilities import LogIdentity
from hallmark_client.model.log import Checkpoint
from hallmark_tlog.errors import TlogError
from hallmark_tlog.policy import parse_policy
from hallmark_tlog.verify import VerifiedCheckpoint, open_checkpoint
from hallmark_tlog.vkey import VerifierKey, parse_vkey
from kms.cli.doctor.finding import Finding, ok, problem, warning
from kms.cli.doctor.http_get import PageAway, get

FRESH: Final = timedelta(minutes=20)
"""Twice log.refresh_seconds by default."""
STALE: Final = timedelta(hours=1)


def check_log(client: Client, log: LogIdentity, public_url: str | None, now: datetime) -> Iterator[Finding]:
    """The keys are those that the server names: an auditor pins them (`hallmark log verify`)."""
    try:
        keys = [parse_vkey(key) for key in log.verifier_keys]
        told = client.log.checkpoint().verify(keys, log.origin)
        opened = open_checkpoint(told.note, keys, origin=log.origin)
    except (HallmarkError, TlogError) as error:
        yield problem(
            "log", f"the log's checkpoint can not be had or does not verify: {error}", "the server's log says why"
        )
        return
    yield _age(opened, now)
    url = (public_url or log.public_url).rstrip("/")
    if not url:
        yield warning("read-plane", "the server names no address of its public files", "give --public URL")
        return
    try:
        shown = _read(url, keys)
    except PageAway as error:
        yield problem("read-plane", f"the public files at {url} can not be read: {error}", _READ_PLANE)
        return
    except TlogError as error:
        yield problem("read-plane", f"{url}/checkpoint does not verify: {error}", _OTHER_LOG)
        return
    yield _compared(client, told, _told(*shown), url)
    yield from _witnesses(url, shown)


_READ_PLANE: Final = (
    "check the HTTP port (server.public_port), or what serves the public files; --public names another place"
)
_OTHER_LOG: Final = "is this the place of this very log? After a succession its files lie below a prefix: give --public"


def _age(opened: VerifiedCheckpoint, now: datetime) -> Finding:
    times = [signer.timestamp for signer in opened.signers if signer.timestamp]
    signed = datetime.fromtimestamp(max(times, default=0), UTC)
    age, says = (
        now - signed,
        f"{opened.checkpoint.origin}, {opened.checkpoint.size} entries, signed {signed:%Y-%m-%d %H:%M:%SZ}",
    )
    if age > STALE:
        return problem("log", f"{says}: too long ago", "checkpoints are not signed any more: see health of hsm and log")
    if age > FRESH:
        return warning("log", f"{says}: long ago", "unless log.refresh_seconds is long, see health of hsm and log")
    return ok("log", says)


def _read(url: str, keys: Sequence[VerifierKey]) -> tuple[bytes, VerifiedCheckpoint]:
    """Raises PageAway, TlogError."""
    page = get(f"{url}/checkpoint")
    if page.status != 200:
        raise PageAway(f"HTTP {page.status}")
    return page.body, open_checkpoint(page.body, keys)


def _told(note: bytes, opened: VerifiedCheckpoint) -> Checkpoint:
    checkpoint = opened.checkpoint
    return Checkpoint(note=note, origin=checkpoint.origin, size=checkpoint.size, root_hash=checkpoint.root)


def _compared(client: Client, told: Checkpoint, shown: Checkpoint, url: str) -> Finding:
    """One begins with the other: proved by the API, checked here."""
    old, new = sorted((told, shown), key=lambda each: each.size)
    try:
        if old.size == new.size:
            if old.root_hash != new.root_hash:
                return problem("read-plane", f"{url} shows another tree than the API", _FORK)
        elif old.size:
            client.log.consistency_proof(old.size, new.size).verify(old, new)
    except HallmarkError as error:
        return problem("read-plane", f"{url} and the API do not show one log: {error}", _FORK)
    return ok("read-plane", f"{url} shows the same log (size {shown.size}, the API {told.size})")


_FORK: Final = "keep both checkpoints, stop writing, and read docs/log.md about forks: one of them is not this log"


def _witnesses(url: str, shown: tuple[bytes, VerifiedCheckpoint]) -> Iterator[Finding]:
    """By the policy that the log publishes."""
    try:
        page = get(f"{url}/policy")
        policy = parse_policy(page.body)
        opened = open_checkpoint(shown[0], policy.vkeys)
    except (PageAway, TlogError) as error:
        yield warning(
            "witnesses", f"{url}/policy can not be used: {error}", "auditors read there whom they may rely on"
        )
        return
    names = [witness.name for witness in policy.witnesses]
    missing = policy.missing(opened.signers)
    if not names:
        yield warning("witnesses", "nobody witnesses this log", "name witnesses in log.witness_policy (docs/log.md)")
    elif missing:
        says = f"the newest checkpoint lacks its quorum: {', '.join(missing)} did not cosign"
        yield problem("witnesses", says, "`hallmark log witnesses` and hallmark_witness_up tell which of them are away")
    else:
        yield ok("witnesses", f"the newest checkpoint has its quorum of {len(names)} witnesses")
