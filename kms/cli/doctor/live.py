"""All checks of a server that is asked, in the order in which one thing rests on the other."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hallmark_client.client import Client
from hallmark_client.errors import HallmarkError
from hallmark_client.model.capabilities import Capabilities
from hallmark_client.profile import Profile
from kms.cli.doctor import log_check, service_check
from kms.cli.doctor.connection_check import check_connection, check_identity_file
from kms.cli.doctor.finding import Finding, Level, ok, problem, warning
from kms.cli.doctor.pages_check import check_pages
from kms.core.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What to look at. `seconds`: patience with each thing. `pages`: None where their address is not known."""

    profile: Profile
    replicas: Sequence[str]
    pages: str | None
    public: str | None
    seconds: float


def check_server(asked: Asked, clock: Clock) -> Iterator[Finding]:
    """Findings as they come."""
    now = clock.now()
    yield from check_identity_file(asked.profile, now)
    connection = list(check_connection(asked.profile, now))
    yield from connection
    if not any(finding.level is Level.PROBLEM and finding.check == "api" for finding in connection):
        yield from _api(asked, clock)
    elif asked.pages is not None:
        yield from check_pages(asked.pages)[1]
    for address in asked.replicas:
        yield from _replica(asked, address, clock)


def _api(asked: Asked, clock: Clock) -> Iterator[Finding]:
    with Client(asked.profile, timeout_seconds=asked.seconds) as client:
        found, finding = service_check.check_identity(client)
        yield finding
        yield from service_check.check_health(asked.profile, seconds=asked.seconds)
        server_time = None
        if asked.pages is not None:
            server_time, findings = check_pages(asked.pages)
            yield from findings
        if found is None:
            return
        yield from service_check.check_session(found)
        yield from log_check.check_log(client, found.log, asked.public, clock.now())
        beat_time, finding = service_check.check_feeds(client, seconds=asked.seconds)
        yield finding
        server_time, spent = (beat_time, timedelta()) if beat_time else (server_time, timedelta(seconds=asked.seconds))
        if server_time is None:
            yield warning("clock", "the server's time is not known", "mend the feeds, or give --pages")
        else:
            yield service_check.check_clock(server_time, clock.now(), spent=spent)


def _replica(asked: Asked, address: str, clock: Clock) -> Iterator[Finding]:
    """Whether it is one with the others: version, log, keys, and that it works."""
    check = f"replica {address}"
    profile = dataclasses.replace(asked.profile, address=address)
    for finding in check_connection(profile, clock.now()):
        yield dataclasses.replace(finding, check=f"{check}: {finding.check}")
        if finding.level is Level.PROBLEM:
            return
    try:
        with Client(asked.profile, timeout_seconds=asked.seconds) as first:
            expected: Capabilities = first.capabilities()
        with Client(profile, timeout_seconds=asked.seconds) as other:
            found = other.capabilities()
    except HallmarkError as error:
        yield problem(check, f"it can not be compared: {error.message}", "see the findings above, and its log")
        return
    yield _alike(check, expected, found)
    for finding in service_check.check_health(profile, seconds=asked.seconds):
        yield dataclasses.replace(finding, check=f"{check}: {finding.check}")


def _alike(check: str, expected: Capabilities, found: Capabilities) -> Finding:
    if (found.log.origin, found.log.verifier_keys) != (expected.log.origin, expected.log.verifier_keys):
        says = f"it has another log ({found.log.origin} instead of {expected.log.origin}), or other keys for it"
        return problem(check, says, "replicas share one database: compare database.url of both")
    if found.version != expected.version:
        says = f"it is of version {found.version}, the first of {expected.version}"
        return warning(check, says, "fine while an upgrade rolls on; finish it")
    if found.require_pq_tls != expected.require_pq_tls:
        return problem(check, "one asks for post-quantum TLS, the other does not", "give both the same settings")
    return ok(check, "it shares log, keys and version with the first")
