"""The servers of one run: the bare ones first, then the service, all with the same devices."""

from dataclasses import dataclass
from typing import Final

from kms.cli.bench.measure import cores
from kms.cli.bench.scratch import scratch_folder
from kms.cli.bench.streams_identities import make_identities
from kms.cli.bench.streams_measure import Say, StreamsPlan, measure_streams
from kms.cli.bench.streams_report import Streams, StreamsReport
from kms.cli.bench.streams_service import PARENT, enrol, service
from kms.cli.bench.streams_service import floor as bare

BARE: Final = "grpc.aio alone"
GUARDED: Final = "grpc.aio and the guard"
WHOLE: Final = "the service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """What is measured beside one service: bare servers, `replicas` over one empty database (its URL)."""

    floor: bool = False
    plaintext: bool = False
    replicas: int = 1
    database: str | None = None


def run_streams(plan: StreamsPlan, servers: Servers, *, say: Say) -> StreamsReport:
    """Raises CommandError."""
    compared: list[Streams] = []
    with (
        scratch_folder() as folder,
        service(folder, plan.subscribers, replicas=servers.replicas, database=servers.database) as target,
    ):
        home, identities = target.home, folder / "identities"
        say(f"making {plan.subscribers:,} keys and certificates")
        made = make_identities(identities, home=home, count=plan.subscribers)
        enrol(home, made, database_url=servers.database)
        for name, flags in _bare(with_tls=servers.floor, without_tls=servers.plaintext):
            certificates = None if "--plaintext" in flags else identities
            with bare(home, *flags) as other:
                compared.append(
                    measure_streams(other, plan, name=name, identities=certificates, parent=PARENT, say=say)
                )
        found = measure_streams(target, plan, name=WHOLE, identities=identities, parent=PARENT, say=say)
    return StreamsReport(cores=cores(), found=found, compared=tuple(compared))


def _bare(*, with_tls: bool, without_tls: bool) -> list[tuple[str, tuple[str, ...]]]:
    servers: list[tuple[str, tuple[str, ...]]] = []
    if without_tls:
        servers += [(BARE, ("--plaintext",)), (GUARDED, ("--plaintext", "--guard"))]
    if with_tls:
        servers += [(BARE, ()), (GUARDED, ("--guard",))]
    return servers
