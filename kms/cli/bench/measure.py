"""One run: the engines alone, then servers with each of them, one after the other on the same machine."""

import contextlib
import json
import os
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from kms.cli.bench.processes import EngineAlone, callers, list_engines, run_callers, run_engine, start
from kms.cli.bench.report import Latency, Report, Run
from kms.cli.bench.scratch import scratch_folder
from kms.cli.child import ServerProcess, as_toml
from kms.cli.connection import Server
from kms.cli.failure import not_usable
from kms.cli.output import write_file

_ALGORITHM: Final = "id-MLDSA65-ECDSA-P256-SHA512"
_BASE_ENGINE: Final = "cryptography"
_BATCHES_AT_A_TIME: Final = 8
_PROBES_A_SECOND: Final = 50.0

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to measure. server None: start servers for the purpose. signers None: from one up to one for each core."""

    seconds: float
    concurrency: int
    batch: int
    server: Server | None
    key_name: str | None
    signers: tuple[int, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Target:
    """A server to measure."""

    server: Server
    pid: int | None
    key_name: str
    engine: str
    signers: int
    tls_group: str


def measure(plan: Plan, *, say: Say) -> Report:
    """Raises HsmError, HallmarkError, CommandError."""
    with scratch_folder() as folder:
        return _measure(plan, folder, say)


def _measure(plan: Plan, folder: Path, say: Say) -> Report:
    engines: dict[str, EngineAlone] = {}
    runs: list[Run] = []
    group = ""
    for engine in list_engines():
        say(f"measuring {engine} alone")
        engines[engine] = run_engine(folder / "hsm", engine=engine, processes=1, seconds=plan.seconds)
    fastest = min(engines, key=lambda name: engines[name].cpu_us["ml_dsa"])
    counts = plan.signers or tuple(range(1, cores() + 1))
    wanted = dict.fromkeys((fastest, _BASE_ENGINE)) if plan.server is None else {fastest: None}
    for engine in wanted:
        for signers in counts if plan.server is None else (0,):
            with _target(plan, folder / f"{engine}-{signers}", engine, signers) as target:
                runs.append(_run(plan, folder, target, full=signers in {0, counts[-1]}, say=say))
                group = target.tls_group
    return Report(
        algorithm=_ALGORITHM,
        cores=cores(),
        batch=plan.batch,
        concurrency=plan.concurrency,
        seconds=plan.seconds,
        tls_group=group,
        engines=engines,
        runs=tuple(runs),
    )


def _run(plan: Plan, folder: Path, target: _Target, *, full: bool, say: Say) -> Run:
    """The engine alone before and after: the machine may change its pace."""
    say(f"measuring {target.engine} with {target.signers} signers: alone, batches, single calls")
    alone_folder, half = folder / "hsm", plan.seconds / 2

    def alone() -> EngineAlone:
        return run_engine(alone_folder, engine=target.engine, processes=target.signers, seconds=half)

    before = alone()
    batch = run_callers(
        target.server,
        target.pid,
        key_name=target.key_name,
        mode="batch",
        concurrency=_BATCHES_AT_A_TIME,
        batch=plan.batch,
        seconds=plan.seconds,
    )
    unary = run_callers(
        target.server,
        target.pid,
        key_name=target.key_name,
        mode="unary",
        concurrency=plan.concurrency,
        seconds=plan.seconds,
    )
    run = Run(engine=target.engine, signers=target.signers, alone=_mean(before, alone()), batch=batch, unary=unary)
    if not full:
        return run
    say(f"measuring {target.engine}: latency at half load, and of others under full load")
    return replace(run, half_load=_half_load(plan, target, unary.per_second), probe=_probe(plan, target))


def _half_load(plan: Plan, target: _Target, per_second: float) -> Latency:
    rate = per_second / 2
    found = run_callers(
        target.server,
        None,
        key_name=target.key_name,
        mode="unary",
        concurrency=plan.concurrency,
        seconds=plan.seconds,
        rate=rate,
    )
    return Latency(load=f"{rate:.0f} single calls a second, evenly spread", p50_ms=found.p50_ms, p99_ms=found.p99_ms)


def _probe(plan: Plan, target: _Target) -> Latency:
    """Another caller asks for the checkpoint while batches keep every signer busy."""
    with callers(
        target.server,
        key_name=target.key_name,
        mode="batch",
        concurrency=_BATCHES_AT_A_TIME,
        batch=plan.batch,
        seconds=plan.seconds + 3,
    ) as load:
        start(load)
        found = run_callers(
            target.server,
            None,
            key_name=target.key_name,
            mode="probe",
            concurrency=4,
            seconds=plan.seconds,
            rate=_PROBES_A_SECOND,
        )
    load_text = f"GetCheckpoint while {_BATCHES_AT_A_TIME} batches of {plan.batch} are signed at a time"
    return Latency(load=load_text, p50_ms=found.p50_ms, p99_ms=found.p99_ms)


def _mean(one: EngineAlone, two: EngineAlone) -> EngineAlone:
    return EngineAlone(
        processes=one.processes,
        per_second={loop: (one.per_second[loop] + two.per_second[loop]) / 2 for loop in one.per_second},
        cpu_us={loop: (one.cpu_us[loop] + two.cpu_us[loop]) / 2 for loop in one.cpu_us},
    )


def cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextlib.contextmanager
def _target(plan: Plan, folder: Path, engine: str, signers: int) -> Iterator[_Target]:
    """The server that was chosen, or a new one that is gone afterwards."""
    if plan.server is not None:
        yield _describe(plan.server, _pid(plan.server), plan.key_name or _new_key(plan.server))
        return
    folder.mkdir()
    settings = folder / "settings.toml"
    # One caller is meant to use the whole server here.
    hsm = f"[hsm]\nengine = {as_toml(engine)}\nsigners = {signers}\n"
    write_file(settings, f"[server]\nrate_per_second = 1e9\n{hsm}".encode())
    process = ServerProcess(home=folder / "home", log_file=folder / "server.log", settings_file=settings)
    try:
        process.start()
        server = Server(home=process.home, role="backend", profile_folder=None)
        yield _describe(server, process.pid, _new_key(server))
    finally:
        process.stop()


def _describe(server: Server, pid: int | None, key_name: str) -> _Target:
    with server.connect() as client:
        facts = client.capabilities()
    engine = next((engine.name for engine in facts.engines if engine.signs), _BASE_ENGINE)
    return _Target(
        server=server,
        pid=pid,
        key_name=key_name,
        engine=engine,
        signers=facts.hsm.signer_processes,
        tls_group=facts.tls_group,
    )


def _pid(server: Server) -> int | None:
    """Of a server with its home on this machine."""
    if server.profile_folder is not None:
        return None
    pid: int = json.loads((server.home / "server.json").read_bytes())["pid"]
    return pid


def _new_key(server: Server) -> str:
    if server.profile_folder is not None:
        advice = "Give --key NAME: a key that this profile may sign with"
        raise not_usable("KEY_MISSING", "a profile alone can not make a key to measure with", advice)
    from hallmark_client.client import Client

    with Client(server.profile("admin")) as admin:
        return admin.keys.create(f"bench-{secrets.token_hex(4)}", algorithm=_ALGORITHM).name
