"""Two replicas of the real service on one PostgreSQL database, set up as the README tells an operator to."""

import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hallmark_client import Client
from hallmark_tlog.audit import AuditReport, audit
from hallmark_tlog.fetch import folder_fetcher
from hallmark_tlog.reader import entries
from hallmark_tlog.vkey import parse_vkey
from support.service import RunningService, prepare_home, running_service

SHARED_FOLDERS = "tls", "clients"
ORIGIN = "log.example/replicas"


@dataclass(frozen=True, slots=True)
class Replicas:
    """`first` made everything; `second` has copies of its certificates, and its token."""

    first: RunningService
    second: RunningService
    url: str

    @property
    def public(self) -> Path:
        """The public files of both."""
        return self.first.home / "public"

    @property
    def both(self) -> tuple[RunningService, RunningService]:
        return self.first, self.second

    def audit(self) -> tuple[AuditReport, list[bytes]]:
        """The log from its public files alone, all of it, and its entries. Raises what hallmark_tlog raises."""
        vkeys = [parse_vkey(line) for line in (self.public / "verifier-keys").read_text().splitlines()]
        fetch = folder_fetcher(self.public)
        report = audit(fetch, vkeys, origin=ORIGIN)
        return report, list(entries(fetch, report.checkpoint.size))


class EitherReplica:
    """What a load balancer is to a client: the `service` of callers that go to either of them."""

    def __init__(self, replicas: Replicas) -> None:
        self._replicas = replicas

    def client(self, role: str = "admin", *, timeout_seconds: float = 20) -> Client:
        return random.choice(self._replicas.both).client(role, timeout_seconds=timeout_seconds)


@contextmanager
def two_replicas(
    folder: Path,
    url: str,
    *,
    settings: str = "",
    each: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
    second_within: tuple[str, ...] = (),
) -> Iterator[Replicas]:
    """`each`: more of the environment of the one and the other. `second_within`: a program that runs the second."""
    environment = {
        "HALLMARK__DATABASE__URL": url,
        "HALLMARK__LOG__ORIGIN": ORIGIN,
        "HALLMARK__LOG__PUBLIC_FOLDER": str(folder / "first" / "public"),
        "HALLMARK__HSM__SIGNERS": "1",
    }
    with running_service(folder / "first", settings=settings, environment={**environment, **each[0]}) as first:
        home = folder / "second"
        home.mkdir()
        for name in SHARED_FOLDERS:
            shutil.copytree(first.home / name, home / name)
        (home / "hsm").symlink_to(first.home / "hsm")
        second = RunningService(
            home, prepare_home(home, settings=settings), (), {**environment, **each[1]}, prefix=second_within
        )
        try:
            second.start()
            yield Replicas(first, second, url)
        finally:
            if second.process is not None and second.process.poll() is None:
                second.kill()
